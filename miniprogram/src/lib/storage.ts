import { platform } from '@platform'

const key = (name: string) => (platform.space ? `linli.${platform.space}.${name}` : `linli.${name}`)

/** What this person's phone remembers. */
export const storage = {
  get<T>(name: string): T | undefined {
    try {
      const text = uni.getStorageSync(key(name))
      return text ? (JSON.parse(text) as T) : undefined
    } catch {
      return undefined
    }
  },
  set(name: string, value: unknown) {
    try {
      if (value === undefined) uni.removeStorageSync(key(name))
      else uni.setStorageSync(key(name), JSON.stringify(value))
    } catch {
      // full or forbidden: the page works on, it only forgets
    }
  },
}
