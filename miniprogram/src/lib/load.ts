/** Something a page shows: first with a skeleton, later quietly renewed, never emptied by a failure. */
import { reactive, watch, type UnwrapNestedRefs } from 'vue'
import { net, Offline } from '@/api'

interface View<T> {
  data: T | undefined
  error: unknown
  /** Shown from 120 ms on, and then for at least 300 ms. */
  skeleton: boolean
  reload(): Promise<void>
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))

export function useLoad<T>(fetch: () => Promise<T>): UnwrapNestedRefs<View<T>> {
  let latest = 0
  const view = reactive({ data: undefined, error: undefined, skeleton: false, reload }) as View<T>

  async function reload() {
    const mine = ++latest
    view.error = undefined
    let shown = 0
    const timer = view.data === undefined
      ? setTimeout(() => { view.skeleton = true; shown = Date.now() }, 120)
      : undefined
    const outcome = await fetch().then((data) => ({ data, error: undefined }), (error: unknown) => ({ data: undefined, error }))
    clearTimeout(timer)
    if (shown) await pause(Math.max(0, 300 - (Date.now() - shown)))
    if (mine !== latest) return
    if (outcome.error === undefined) view.data = outcome.data
    view.error = outcome.error
    view.skeleton = false
  }
  watch(() => net.down, (down) => { if (!down && view.error instanceof Offline) void reload() })
  return view as UnwrapNestedRefs<View<T>>
}

/** Calls `step` every `every()` ms while the page is seen; 0 stops. */
export function usePolling(step: () => Promise<void>, every: () => number) {
  let timer: ReturnType<typeof setTimeout> | undefined
  let on = false
  const next = () => {
    const wait = every()
    if (on && wait > 0) timer = setTimeout(async () => { await step(); if (on) next() }, wait)
  }
  return {
    start() { if (!on) { on = true; next() } },
    stop() { on = false; clearTimeout(timer) },
  }
}
