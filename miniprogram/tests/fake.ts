/** A `uni` that keeps a storage and answers requests from a list; stands for the phone's own code. */
import { vi } from 'vitest'

export interface Sent { url: string; method: string; data?: unknown; header: Record<string, string> }
type Reply = { statusCode: number; data?: unknown } | Error

export function fakeUni() {
  const kept = new Map<string, string>()
  const sent: Sent[] = []
  const replies: Reply[] = []
  const uni = {
    getStorageSync: (key: string) => kept.get(key) ?? '',
    setStorageSync: (key: string, value: string) => void kept.set(key, value),
    removeStorageSync: (key: string) => void kept.delete(key),
    request: async (options: Sent) => {
      sent.push(options)
      const reply = replies.shift()
      if (!reply) throw new Error(`nothing prepared for ${options.method} ${options.url}`)
      if (reply instanceof Error) throw { errMsg: reply.message }
      return reply
    },
  }
  vi.stubGlobal('uni', uni)
  return { sent, replies, kept }
}
