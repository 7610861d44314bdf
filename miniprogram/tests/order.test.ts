import { expect, test } from 'vitest'
import type { Menu, Order, Quote } from '@/api'
import { nearestCoupon, reach, suggestion } from '@/lib/offer'
import { headline, steps } from '@/lib/progress'

const at = (minute: number) => new Date(Date.parse('2026-11-22T01:30:00Z') + minute * 60_000).toISOString()
const order = (values: Partial<Order>): Order => ({
  no: '1', state: 'placed', payment_state: 'unpaid', fulfilment: 'pickup', pickup_number: 'A217', table: null, bills: [], refunds: [], discounts: [],
  refunded_fen: 0, cancel_reason: '', paid_at: null, accepted_at: null, ready_at: null, completed_at: null, ready_by: null,
  expires_at: at(15), ...values,
} as Order)
const now = Date.parse(at(1))

test('the large line follows the order', () => {
  expect(headline(order({}), now)).toMatchObject({ label: '等你付款', big: '14:00' })
  const paid = { payment_state: 'paid' as const, paid_at: at(0) }
  expect(headline(order(paid), now)).toMatchObject({ big: 'A217', small: '已付款，等店里接单' })
  expect(headline(order({ ...paid, state: 'preparing', ready_by: at(7) }), now)).toMatchObject({ big: 'A217', strong: '6 分钟' })
  expect(headline(order({ ...paid, state: 'ready' }), now).strong).toBe('来柜台取吧')
  expect(headline(order({ state: 'cancelled', refunded_fen: 100 }), now)).toMatchObject({ big: '已退款', small: '钱已退回' })
  expect(headline(order({ state: 'cancelled', paid_fen: 100 }), now).small).toBe('钱还没退成，店里在处理')
  const back = { ...paid, payment_state: 'refunded' as const, paid_fen: 100, refunded_fen: 100 }
  for (const state of ['placed', 'accepted', 'preparing', 'ready', 'cancelled'] as const) {
    expect(headline(order({ ...back, state }), now)).toMatchObject({ big: '已退款', small: '钱已退回', strong: '' })
  }
  const coupon = [{ kind: 'coupon', id: '1', name: '', amount_fen: 100, reason: '' }] as Order['discounts']
  expect(headline(order({ state: 'cancelled' }), now).small).toBe('没有扣钱')
  expect(headline(order({ state: 'cancelled', discounts: coupon }), now).small).toBe('没有扣钱，券也还你了')
})

test('the coupon that lacks least is named, however much that is, and no promotion', () => {
  const rejected = [
    { kind: 'promotion', name: '满 40 减 5', missing_fen: 50 },
    { kind: 'coupon', name: '老客回店券', missing_fen: 2200 },
    { kind: 'coupon', name: '徐汇店开业券', missing_fen: null },
    { kind: 'coupon', name: '关注见面礼', missing_fen: 1600 },
  ]
  expect(nearestCoupon({ rejected } as Quote)).toEqual({ name: '关注见面礼', missingFen: 1600 })
  expect(nearestCoupon({ rejected: [rejected[0], rejected[2]] } as Quote)).toBeUndefined()
  expect(nearestCoupon(undefined)).toBeUndefined()
})

test('four steps, with a guess for the third', () => {
  const making = steps(order({ state: 'accepted', payment_state: 'paid', paid_at: at(3), accepted_at: at(5), ready_by: at(17) }))
  expect(making.map(({ text, state, time }) => [text, state, time])).toEqual([
    ['已付款', 'done', '09:33'], ['制作中', 'now', '09:35'], ['可取餐', 'later', '约 09:47'], ['已完成', 'later', ''],
  ])
})

test('only a reward within reach is spoken of, and one product closes the gap', () => {
  const rejected = [{ name: '满 100 减 20', missing_fen: 6000 }, { name: '满 65 减 8', missing_fen: 650 }, { name: '徐汇店专享', missing_fen: null }]
  const near = reach({ rejected } as Quote)
  expect(near).toEqual({ name: '满 65 减 8', missingFen: 650 })
  const product = (id: string, price: number, state = 'on') => ({ id, price_fen: price, state, skus: [{ sku_id: id, state, stock: null }], option_groups: [] })
  const menu = { categories: [{ products: [product('a', 600), product('b', 900), product('c', 700, 'sold_out'), product('d', 800)] }] } as unknown as Menu
  expect(suggestion(menu, 650, (id) => id === 'd')?.id).toBe('b')
})
