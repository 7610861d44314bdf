import { platform } from '@platform'

export const picture = (path: string) => platform.picture(path)

/** A drawing of our own, by name. */
export const art = (name: string) => platform.picture(`/m/static/art/${name}.svg`)
