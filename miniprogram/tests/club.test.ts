/** The member's corner: weeks, plans, the wheel, and whom the phone does not ask again. */
import { beforeEach, expect, test, vi } from 'vitest'
import type { Lottery, Plan, SignIn } from '@/api'
import { monthOf, promise, weekOf } from '@/lib/days'
import { thousands } from '@/lib/money'
import { gains, saved, says } from '@/lib/plans'
import { drawWheel, groundOf, slicesOf, turnTo } from '@/lib/wheel'
import { fakeUni } from './fake'

const sign: SignIn = {
  signed_today: false, streak: 2, today: '2026-12-02', days: ['2026-11-30', '2026-12-01'], daily_points: 10,
  next_days: 1, next_points: 20, next_coupon: false,
  ahead: [
    { day: '2026-12-02', points: 30, coupon: false }, { day: '2026-12-03', points: 10, coupon: false }, { day: '2026-12-04', points: 10, coupon: true },
  ],
}

test('a week goes from Monday to Sunday, over the end of a month', () => {
  expect(weekOf(sign).map(({ text, signed, points, more, coupon }) => [text, signed, points, more, coupon])).toEqual([
    ['周一', true, 0, false, false], ['周二', true, 0, false, false], ['今天', false, 30, true, false],
    ['周四', false, 10, false, false], ['周五', false, 10, true, true], ['周六', false, 0, false, false], ['周日', false, 0, false, false],
  ])
})

test('a month has its own days only, the first in its column', () => {
  const { blanks, days } = monthOf(sign)
  expect([blanks, days.length, days[0]!.name, days.at(-1)!.name]).toEqual([1, 31, '2026-12-01', '2026-12-31'])
  expect(days.filter((each) => each.signed).map((each) => each.number)).toEqual([1])
})

test('what comes next is said as of today', () => {
  expect(promise(sign)).toBe('今天加送 20 积分')
  expect(promise({ ...sign, next_days: 3, next_coupon: true })).toBe('连签到第 5 天加送 20 积分，送一张券')
  expect(promise({ ...sign, signed_today: true })).toBe('明天加送 20 积分')
  expect(promise({ ...sign, signed_today: true, next_days: 4 })).toBe('再签 4 天加送 20 积分')
  expect(promise({ ...sign, next_days: 0 })).toBe('每天 10 积分')
})

const plan = (values: Partial<Plan>): Plan => ({
  id: '1', kind: 'pass', name: '次卡', price_fen: 16_800, bonus_fen: 0, days: 0, coupons: 1, uses: 10, worth_fen: 20_000,
  coupon_text: '每日一杯 · 无门槛', benefits: '', ...values,
})

test('a plan says what one saves, and only where that can be told', () => {
  expect([says(plan({})), saved(plan({}))]).toEqual(['能用 10 次，合 ¥16.80 一次', { words: '10 次共抵 ¥200', fen: 3_200 }])
  expect(saved(plan({ worth_fen: 0 }))).toBeUndefined()
  expect(saved(plan({ worth_fen: 16_800 }))).toBeUndefined()
  const month = plan({ kind: 'membership', price_fen: 1_990, coupons: 4, uses: 0, days: 30, worth_fen: 3_200, benefits: '新品先喝' })
  expect([says(month), gains(month)]).toEqual(['管 30 天', ['每 30 天 4 张每日一杯', '无门槛', '新品先喝']])
  expect([says(plan({ kind: 'top_up', bonus_fen: 3_000, price_fen: 20_000 })), gains(plan({ kind: 'top_up' }))]).toEqual(['到账 ¥230', []])
})

test('numbers are grouped', () => expect([0, 286, 1_286, -1_286, 1_234_567].map(thousands)).toEqual(['0', '286', '1,286', '-1,286', '1,234,567']))

test('the wheel stops where the server says, after five rounds at least', () => {
  for (const [before, index, count] of [[0, 0, 5], [0, 3, 5], [1_584, 4, 5], [2_000, 1, 2]] as const) {
    const turn = turnTo(before, index, count)
    expect(turn - before).toBeGreaterThan(4 * 360)
    expect((((turn + (index * 360) / count) % 360) + 360) % 360).toBeCloseTo(0)
  }
  for (const count of [2, 3, 5, 9]) {
    for (let i = 0; i < count; i++) expect(groundOf(i, count)).not.toBe(groundOf((i + 1) % count, count))
    expect(drawWheel(count).match(/<path/g)).toHaveLength(count)
  }
})

test('nothing is the last slice, and what has run out is shown so', () => {
  const prize = { odds_bp: 300, odds_now_bp: 0, left: 0 }
  const lottery = { nothing_now_bp: 9_700, prizes: [{ ...prize, name: '一杯', kind: 'coupon' }] } as Lottery
  expect(slicesOf(lottery).map(({ name, icon, odds, gone }) => [name, icon, odds, gone])).toEqual([
    ['一杯', 'ticket', 0, true], ['谢谢参与', 'smile', 97, false],
  ])
})

beforeEach(() => vi.resetModules())

test('who said no is not asked again by this phone for a week', async () => {
  const asked: string[][] = []
  let wanted = ['A', 'B']
  vi.doMock('@platform', () => ({ platform: { space: '', subscribe: async (ids: string[]) => { asked.push(ids); return { A: 'accept', B: 'reject' } } } }))
  vi.doMock('@/api', () => ({ whatToAsk: async () => wanted, recordGrants: async () => {} }))
  fakeUni()
  const now = vi.spyOn(Date, 'now').mockReturnValue(2_000_000_000_000)
  const { useAllow } = await import('@/lib/allow')
  const first = useAllow('after_sign_in')
  await first.load()
  expect(await first.ask()).toEqual({ A: 'accept', B: 'reject' })
  expect([first.templates.value, await first.ask()]).toEqual([[], {}])

  const second = useAllow('after_claim')
  await second.load()
  expect(second.templates.value).toEqual(['A'])
  now.mockReturnValue(2_000_000_000_000 + 7 * 86_400_000)
  await second.load()
  expect(second.templates.value).toEqual(['A', 'B'])
  wanted = []
  await second.load()
  expect([second.templates.value, asked]).toEqual([[], [['A', 'B']]])
  vi.restoreAllMocks()
})
