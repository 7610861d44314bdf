/** Times in words, as the shop sees them (UTC+8, whatever the phone is set to). */
const EAST8 = 8 * 3600_000
const pad = (n: number) => String(n).padStart(2, '0')
const local = (at: string | number) => new Date(new Date(at).getTime() + EAST8)
const dayOf = (at: string | number) => Math.floor((new Date(at).getTime() + EAST8) / 86400_000)

/** '09:47' */
export const clock = (at: string | number) => `${pad(local(at).getUTCHours())}:${pad(local(at).getUTCMinutes())}`

/** '10月31日' */
export const monthDay = (at: string | number) => `${local(at).getUTCMonth() + 1}月${local(at).getUTCDate()}日`

/** '2026.10.31 23:59' */
export const stamp = (at: string) =>
  `${local(at).getUTCFullYear()}.${pad(local(at).getUTCMonth() + 1)}.${pad(local(at).getUTCDate())} ${clock(at)}`

/** '今天 09:47', '昨天 09:47', '10月12日 09:47' */
export function when(at: string, now = Date.now()): string {
  const days = dayOf(now) - dayOf(at)
  const day = days === 0 ? '今天' : days === 1 ? '昨天' : days === -1 ? '明天' : monthDay(at)
  return `${day} ${clock(at)}`
}

/** End of a coupon's life: '今晚 24:00 到期', '明天到期', '10月31日到期'. */
export function until(at: string, now = Date.now()): string {
  const end = new Date(at).getTime()
  const atMidnight = (end + 1000 + EAST8) % 86400_000 <= 1000
  const days = dayOf(end - 1) - dayOf(now)
  if (days === 0) return atMidnight ? '今晚 24:00 到期' : `今天 ${clock(at)} 到期`
  if (days === 1) return '明天到期'
  return `${monthDay(end - 1)}到期`
}

export const endsToday = (at: string, now = Date.now()) => dayOf(new Date(at).getTime() - 1) <= dayOf(now)

export const minutesUntil = (at: string, now = Date.now()) => Math.max(1, Math.ceil((new Date(at).getTime() - now) / 60_000))

/** '14:05', for a countdown */
export function countdown(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds))
  return `${pad(Math.floor(left / 60))}:${pad(left % 60)}`
}

/** '早安', by the hour in the shop */
export function greeting(now = Date.now()): string {
  const hour = local(now).getUTCHours()
  if (hour < 5) return '夜深了'
  if (hour < 11) return '早安'
  if (hour < 14) return '午安'
  if (hour < 18) return '下午好'
  return '晚上好'
}

/** Whether the moon is up over the shop, or the sun. */
export const isNight = (now = Date.now()) => hourOf(now) < 5 || hourOf(now) >= 18

export const hourOf = (now = Date.now()) => local(now).getUTCHours()
const WEEK = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
export const weekday = (now = Date.now()) => WEEK[local(now).getUTCDay()]!
