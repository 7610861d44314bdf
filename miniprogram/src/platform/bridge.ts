/** One side of the talk with the phone that frames this page; both sides check origin and window. */
import { Refused } from './types'

interface Reply {
  linli: 1
  id?: number
  ok?: boolean
  result?: unknown
  error?: { errMsg: string; errCode: number }
  event?: string
  path?: string
}

export class Bridge {
  private last = 0
  private readonly waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  private readonly listeners = new Map<string, (message: Reply) => void>()

  constructor(private readonly page: Window, private readonly phone: Window, private readonly origin: string) {
    page.addEventListener('message', (event) => this.receive(event))
  }

  /** Rejects with `Refused` when the phone says no, and when it says nothing within `patience` ms. */
  call<T = object>(name: string, args: object = {}, patience = 0): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = ++this.last
      this.waiting.set(id, { resolve: resolve as (result: unknown) => void, reject })
      if (patience) this.page.setTimeout(() => this.settle(id)?.reject(new Refused(`${name}:fail timeout`)), patience)
      this.phone.postMessage({ linli: 1, id, call: name, args }, this.origin)
    })
  }

  on(event: string, listener: (message: { path?: string }) => void) {
    this.listeners.set(event, listener)
  }

  private receive(event: MessageEvent) {
    const message = event.data as Reply | undefined
    if (event.source !== this.phone || event.origin !== this.origin || message?.linli !== 1) return
    if (message.event) return this.listeners.get(message.event)?.(message)
    const waiting = this.settle(message.id ?? 0)
    if (message.ok) waiting?.resolve(message.result)
    else waiting?.reject(new Refused(message.error?.errMsg ?? 'fail'))
  }

  private settle(id: number) {
    const waiting = this.waiting.get(id)
    this.waiting.delete(id)
    return waiting
  }
}
