/** A wheel of equal slices, drawn; which slice stops under the pointer is the server's to say. */
import type { Lottery } from '@/api'
import { colors, type Color } from './theme'
import type { Icon } from './icons'

interface Slice { name: string; icon: Icon; color: Color; odds: number; gone: boolean }

const ICONS: Record<Lottery['prizes'][number]['kind'], Icon> = { coupon: 'ticket', points: 'star', text: 'gift' }

/** The prizes in their order, and nothing as the last. */
export function slicesOf(lottery: Lottery): Slice[] {
  const prizes = lottery.prizes.map((each) => ({
    name: each.name, icon: ICONS[each.kind], color: 'amber-ink' as const, odds: each.odds_now_bp / 100, gone: each.left === 0,
  }))
  return [...prizes, { name: '谢谢参与', icon: 'smile', color: 'ink-3', odds: lottery.nothing_now_bp / 100, gone: false }]
}

const point = (degrees: number, radius = 96) => {
  const at = ((degrees - 90) * Math.PI) / 180
  return `${(100 + radius * Math.cos(at)).toFixed(2)} ${(100 + radius * Math.sin(at)).toFixed(2)}`
}

/** Neighbours never have the same ground, whether their number is even or odd. */
export const groundOf = (index: number, count: number) => (index === count - 1 && count % 2 ? '#fdeccb' : index % 2 ? '#ffffff' : '#fff4dc')

export function drawWheel(count: number): string {
  const step = 360 / count
  const parts = Array.from({ length: count }, (_, i) => {
    const [from, to] = [i * step - step / 2, i * step + step / 2]
    return `<path d="M100 100L${point(from)}A96 96 0 ${step > 180 ? 1 : 0} 1 ${point(to)}Z" fill="${groundOf(i, count)}"/>`
  })
  const studs = Array.from({ length: 24 }, (_, i) => `<circle cx="${point(i * 15, 98).replace(' ', '" cy="')}" r="1.3" fill="${i % 2 ? '#f0b04a' : '#ffffff'}"/>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200"><circle cx="100" cy="100" r="100" fill="${colors.primary}"/>${parts.join('')}<circle cx="100" cy="100" r="96" fill="none" stroke="${colors['primary-deep']}" stroke-opacity=".25"/>${studs.join('')}</svg>`
}

/** How far to turn from `before` so that slice `index` of `count` stops at the top, five times round at least. */
export function turnTo(before: number, index: number, count: number): number {
  const rounds = Math.ceil(before / 360) * 360 + 5 * 360
  return rounds - (index * 360) / count
}
