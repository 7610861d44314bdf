/**
 * What somebody looks at, kept on the phone and told in batches: when there are enough, after a while, and when the
 * mini-program goes to the back. Nothing is kept of somebody who switched recommendations off.
 */
import { call } from '@/api/client'
import { Offline } from '@/api/problem'
import { newKey } from './attempt'
import { storage } from './storage'

export type Kind = 'opened' | 'viewed' | 'searched' | 'carted' | 'shared'
interface Seen { id: string; kind: Kind; at: string; data: Record<string, string | number> }

const KEPT = 'events'
const BATCH = 20
const MOST = 50 // of a request
const LONGEST = 200 // what a long time without a net may leave
const WAIT_MS = 10_000

let allowed = true
let waiting: ReturnType<typeof setTimeout> | undefined
let telling: Promise<void> | undefined

const kept = () => storage.get<Seen[]>(KEPT) ?? []

/** The member's switch, as the last answer said; switched off, what waits is forgotten. */
export function allow(personal: boolean) {
  allowed = personal
  if (!personal) storage.set(KEPT, undefined)
}

export function note(kind: Kind, data: Seen['data'] = {}) {
  if (!allowed) return
  const events = [...kept(), { id: newKey(), kind, at: new Date().toISOString(), data }].slice(-LONGEST)
  storage.set(KEPT, events)
  if (events.length >= BATCH) void tell()
  else waiting ??= setTimeout(() => void tell(), WAIT_MS)
}

/** One batch at a time; each event has a name, so that a batch whose answer was lost may be told again. */
export function tell(): Promise<void> {
  clearTimeout(waiting)
  waiting = undefined
  return (telling ??= send().finally(() => { telling = undefined }))
}

async function send() {
  const events = kept().slice(0, MOST)
  if (!events.length) return
  try {
    await call('POST', '/events', { data: { events } })
  } catch (error) {
    if (error instanceof Offline) return // the next batch takes them along
  }
  // told, or refused for good: the same would be refused again
  const told = new Set(events.map(({ id }) => id))
  const left = kept().filter(({ id }) => !told.has(id))
  storage.set(KEPT, left.length ? left : undefined)
}
