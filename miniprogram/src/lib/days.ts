/** Days of signing in: a week as a strip, a month as a sheet. A day is '2026-11-23', as the server writes it. */
import type { SignIn } from '@/api'

export interface SignDay {
  name: string
  /** '周一'; today is 今天 */
  text: string
  number: number
  signed: boolean
  today: boolean
  /** What it would bring; 0: it is over. */
  points: number
  /** More than an ordinary day: points or a coupon on top. */
  more: boolean
  coupon: boolean
}

const DAY_MS = 86_400_000
const NAMES = '一二三四五六日'
const read = (name: string) => Date.parse(`${name}T00:00:00Z`)
const write = (at: number) => new Date(at).toISOString().slice(0, 10)

function between(sign: SignIn, first: number, count: number): SignDay[] {
  const signed = new Set(sign.days)
  const ahead = new Map(sign.ahead.map((each) => [each.day, each]))
  return Array.from({ length: count }, (_, i) => {
    const at = first + i * DAY_MS
    const name = write(at)
    const next = ahead.get(name)
    const today = name === sign.today
    return {
      name,
      text: today ? '今天' : `周${NAMES[(new Date(at).getUTCDay() + 6) % 7]}`,
      number: new Date(at).getUTCDate(),
      signed: signed.has(name),
      today,
      points: next?.points ?? 0,
      more: !!next && (next.coupon || next.points > sign.daily_points),
      coupon: !!next?.coupon,
    }
  })
}

/** Monday to Sunday. */
export function weekOf(sign: SignIn): SignDay[] {
  const today = read(sign.today)
  return between(sign, today - ((new Date(today).getUTCDay() + 6) % 7) * DAY_MS, 7)
}

/** The days of the month, and how many places before the first stay empty. */
export function monthOf(sign: SignIn): { blanks: number; days: SignDay[] } {
  const [year, month] = sign.today.split('-').map(Number) as [number, number]
  const first = Date.UTC(year, month - 1, 1)
  return { blanks: (new Date(first).getUTCDay() + 6) % 7, days: between(sign, first, new Date(Date.UTC(year, month, 0)).getUTCDate()) }
}

/** What comes next, in a line. */
export function promise(sign: SignIn): string {
  const { next_days, next_points, next_coupon } = sign
  if (!next_days) return `每天 ${sign.daily_points} 积分`
  const gift = [next_points ? `加送 ${next_points} 积分` : '', next_coupon ? '送一张券' : ''].filter(Boolean).join('，')
  const when = sign.signed_today ? (next_days === 1 ? '明天' : `再签 ${next_days} 天`) : next_days === 1 ? '今天' : `连签到第 ${sign.streak + next_days} 天`
  return `${when}${gift}`
}
