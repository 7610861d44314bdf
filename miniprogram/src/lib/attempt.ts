/**
 * The idempotency key of one thing that must happen once. The same content keeps its key until `done`,
 * so that a repeat after a lost answer finds what the first try made; other content gets another key.
 */
import { storage } from './storage'

interface Kept { body: string; key: string }

export function newKey(): string {
  const random = () => Math.floor(Math.random() * 0x100000000).toString(16).padStart(8, '0')
  return `${Date.now().toString(36)}-${random()}${random()}`
}

export function attempt(name: string, body: object): { key: string; done(): void } {
  const text = JSON.stringify(body)
  const kept = storage.get<Kept>(`attempt.${name}`)
  const key = kept?.body === text ? kept.key : newKey()
  storage.set(`attempt.${name}`, { body: text, key } satisfies Kept)
  return { key, done: () => storage.set(`attempt.${name}`, undefined) }
}
