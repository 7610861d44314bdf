import { expect, test } from 'vitest'
import { clock, countdown, endsToday, greeting, isNight, until, when } from '@/lib/time'
import { distance, grouped, maskedPhone, shortName, stateOf } from '@/lib/words'

const now = Date.parse('2026-11-22T02:00:00Z') // 10:00 in the shop

test('times are the shop’s, whatever the phone is set to', () => {
  expect(clock('2026-11-22T01:47:00Z')).toBe('09:47')
  expect(when('2026-11-21T16:30:00Z', now)).toBe('今天 00:30')
  expect(when('2026-11-21T01:00:00+08:00', now)).toBe('昨天 01:00')
  expect(when('2026-10-12T09:33:00+08:00', now)).toBe('10月12日 09:33')
  expect(greeting(now)).toBe('早安')
  // No sun rises over 夜深了 or 晚上好: the shop's hours, 00:30, 05:00, 17:59 and 18:00.
  const at = (time: string) => Date.parse(`2026-10-31T${time}:00+08:00`)
  expect(['00:30', '05:00', '17:59', '18:00'].map((time) => isNight(at(time)))).toEqual([true, false, false, true])
  expect(greeting(at('00:30'))).toBe('夜深了')
})

test.each([
  ['2026-11-23T00:00:00+08:00', '今晚 24:00 到期'],
  ['2026-11-22T23:59:59+08:00', '今晚 24:00 到期'],
  ['2026-11-22T18:00:00+08:00', '今天 18:00 到期'],
  ['2026-11-24T00:00:00+08:00', '明天到期'],
  ['2026-12-01T00:00:00+08:00', '11月30日到期'],
])('a coupon that ends at %s: %s', (at, words) => expect(until(at, now)).toBe(words))

test('what ends at midnight ends today', () => {
  expect(endsToday('2026-11-23T00:00:00+08:00', now)).toBe(true)
  expect(endsToday('2026-11-23T00:00:01+08:00', now)).toBe(false)
})

test('small words', () => {
  expect([distance(320), distance(1460), distance(999.6)]).toEqual(['320 m', '1.5 km', '1000 m'])
  expect(countdown(845.9)).toBe('14:05')
  expect(countdown(-3)).toBe('00:00')
  expect(grouped('4827109356')).toBe('4827 1093 56')
  expect([maskedPhone('13812345201'), maskedPhone('138****5201')]).toEqual(['138 **** 5201', '138 **** 5201'])
  expect(shortName('青禾茶铺·静安寺店')).toBe('静安寺店')
  expect(stateOf({ state_text: '休息中，明天 09:00 开门' })).toEqual({ state: '休息中', next: '明天 09:00 开门' })
})
