import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { nextTick } from 'vue'
import { net, Offline, Problem } from '@/api'
import { useLoad, usePolling } from '@/lib/load'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })
const later = <T>(value: T, ms: number) => () => new Promise<T>((done) => setTimeout(() => done(value), ms))

test('a quick answer shows no skeleton', async () => {
  const view = useLoad(later('menu', 100))
  void view.reload()
  await vi.advanceTimersByTimeAsync(110)
  expect([view.data, view.skeleton]).toEqual(['menu', false])
})

test('a slow one shows it from 120 ms on, for 300 ms at least', async () => {
  const view = useLoad(later('menu', 150))
  void view.reload()
  await vi.advanceTimersByTimeAsync(130)
  expect(view.skeleton).toBe(true)
  await vi.advanceTimersByTimeAsync(270)
  expect([view.data, view.skeleton]).toEqual([undefined, true])
  await vi.advanceTimersByTimeAsync(30)
  expect([view.data, view.skeleton]).toEqual(['menu', false])
})

test('a failure keeps what was there', async () => {
  const answers = [() => Promise.resolve('menu'), () => Promise.reject(new Problem(503, 'x', ''))]
  const view = useLoad(() => answers.shift()!())
  await view.reload()
  await view.reload()
  expect(view.data).toBe('menu')
  expect(view.error).toBeInstanceOf(Problem)
})

test('what failed for the network loads again when it is back', async () => {
  const answers = [() => Promise.reject(new Offline('x')), () => Promise.resolve('menu')]
  const view = useLoad(() => answers.shift()!())
  net.down = true
  await view.reload()
  net.down = false
  await nextTick()
  await vi.advanceTimersByTimeAsync(1)
  expect(view.data).toBe('menu')
})

test('only the last of two loads counts', async () => {
  const waits = [200, 20]
  const view = useLoad(() => { const ms = waits.shift()!; return later(ms, ms)() })
  void view.reload()
  void view.reload()
  await vi.advanceTimersByTimeAsync(700)
  expect(view.data).toBe(20)
})

test('polling goes on until it is told to stop, or has nothing left to wait for', async () => {
  let times = 0
  const polling = usePolling(async () => { times++ }, () => (times < 3 ? 1000 : 0))
  polling.start()
  polling.start()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(times).toBe(3)
  polling.stop()
})
