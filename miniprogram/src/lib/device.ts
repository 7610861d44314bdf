/** What this phone calls itself: drawn once and kept. It says nothing about the phone or its owner. */
import { newKey } from './attempt'
import { storage } from './storage'

export function deviceName(): string {
  const known = storage.get<string>('device')
  if (known) return known
  const drawn = newKey()
  storage.set('device', drawn)
  return drawn
}
