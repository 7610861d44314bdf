/** What the server would say, small but whole: the sums add up. */
import type * as T from '@/api/types'

export const store: T.Store = {
  id: '1', code: 'jingan', name: '青禾茶铺·静安寺店', address: '南京西路 1038 号', city: '上海', lat: 31.22, lng: 121.44, phone: '021-55550001',
  distance_m: 320, open: true, state: 'open', state_text: '营业中', hours: {}, today_text: '09:30–22:00', prep_minutes: 8, promotions: ['满 40 减 5'],
}
const option = (id: string, name: string, price_fen = 0): T.Option => ({ id, name, price_fen, state: 'on' })
export const menu: T.Menu = {
  store_id: '1',
  categories: [{ id: '1', name: '人气必点', products: [
    { id: '11', name: '杨枝甘露', description: '芒果、西柚、椰奶', image: '/m/static/art/yangzhi.svg', kind: 'drink', badges: ['上新'], price_fen: 2200, state: 'on',
      skus: [{ sku_id: '111', name: '中杯', price_fen: 2200, stock: null, state: 'on' }, { sku_id: '112', name: '大杯', price_fen: 2500, stock: null, state: 'on' }],
      option_groups: [{ id: '1', name: '甜度', kind: 'single', min: 1, max: 1, options: [option('1', '标准糖'), option('2', '七分糖')] }] },
    { id: '12', name: '茶冻', description: '乌龙茶冻', image: '', kind: 'food', badges: [], price_fen: 1200, state: 'on',
      skus: [{ sku_id: '121', name: '', price_fen: 1200, stock: 3, state: 'on' }], option_groups: [] },
  ] }],
}
const line: T.Line = {
  sku_id: '111', product_id: '11', name: '杨枝甘露', sku_name: '中杯', image: '', options: [], options_text: '中杯 / 七分糖', quantity: 2,
  unit_fen: 2200, amount_fen: 4400, discount_fen: 1300, payable_fen: 3100,
}
const discounts: T.Discount[] = [
  { kind: 'promotion', id: '1', name: '满 40 减 5', reason: '满 40 减 5', amount_fen: 500, lines: [500] },
  { kind: 'coupon', id: '7', name: '见面礼', reason: '满 20 可用', amount_fen: 800, lines: [800] },
]
export const quote: T.Quote = {
  store_id: '1', fulfilment: 'pickup', items: [line], discounts, rejected: [{ kind: 'coupon', id: '8', name: '满 65 减 8', reason: '还差 ¥26', missing_fen: 2600 }],
  coupons: [{ id: '7', name: '见面礼', usable: true, discount_fen: 800, reason: '', group: 'coupon', exclusive: false }, { id: '8', name: '满 65 减 8', usable: false, discount_fen: 0, reason: '还差 ¥26', group: 'coupon', exclusive: false }],
  best_coupon: { id: '7', name: '见面礼', discount_fen: 800 }, best_coupon_ids: ['7'], best_saved_fen: 800, coupon_id: '7', coupon_ids: ['7'], goods_fen: 4400, discount_fen: 1300, payable_fen: 3100, points: { most: 0, most_fen: 0, used: 0 }, balance_fen: 0, wait_minutes: 8, store_open: true,
}
export const order: T.Order = {
  no: '202611220001', kind: 'goods', state: 'placed', payment_state: 'unpaid', state_text: '待付款', fulfilment: 'pickup',
  bills: [{ bill: 1, kind: 'whole', amount_fen: 3100, state: 'open', due_at: null }], can_split: true, split_token: null,
  store: { id: '1', name: store.name, address: store.address, phone: store.phone, lat: 31.22, lng: 121.44 }, table: null,
  pickup_number: 'A217', pickup_code: null, lines: [line], discounts, goods_fen: 4400, discount_fen: 1300, payable_fen: 3100, paid_fen: 0, refunded_fen: 0,
  coupon_id: '7', note: '', placed_at: '2026-11-22T09:33:00+08:00', expires_at: '2099-11-22T09:48:00+08:00', paid_at: null, accepted_at: null, ready_at: null,
  completed_at: null, cancelled_at: null, cancel_reason: '', ready_by: null, can_cancel: true, balance_usable: true, history: [], payments: [], refunds: [],
}
export const paid: T.Order = { ...order, payment_state: 'paid', balance_usable: false, state: 'ready', state_text: '可取餐', paid_fen: 3100, payments: [{ channel: 'wechat', amount_fen: 3100, state: 'paid' }], paid_at: order.placed_at, accepted_at: order.placed_at, ready_at: order.placed_at, pickup_code: '482710', expires_at: null }
/** Split in three, one of them paid; and what a friend sees of it. */
export const split: T.Order = {
  ...order, can_split: false, split_token: `S${'7'.repeat(26)}`, payment_state: 'part_paid', paid_fen: 1034,
  bills: [
    { bill: 2, kind: 'share', amount_fen: 1034, state: 'paid', due_at: null },
    { bill: 3, kind: 'share', amount_fen: 1033, state: 'open', due_at: null },
    { bill: 4, kind: 'share', amount_fen: 1033, state: 'taken', due_at: null },
  ],
}
export const shares: T.Shares = {
  shop: '青禾茶铺', store: store.name, total_fen: 3100, state: 'open', expires_at: order.expires_at, balance_usable: true,
  shares: [
    { bill: 2, amount_fen: 1034, state: 'paid', mine: false, back: 'no' },
    { bill: 3, amount_fen: 1033, state: 'open', mine: false, back: 'no' },
    { bill: 4, amount_fen: 1033, state: 'open', mine: false, back: 'no' },
  ],
}
export const row: T.OrderRow = {
  no: order.no, kind: 'goods', state: 'placed', payment_state: 'unpaid', state_text: '待付款', fulfilment: 'pickup', store_id: '1', store_name: store.name,
  pickup_number: 'A217', title: '杨枝甘露', images: [''], quantity: 2, payable_fen: 3100, placed_at: order.placed_at, expires_at: order.expires_at,
}
export const coupon: T.Coupon = {
  id: '7', template_id: '9', name: '关注见面礼', kind: 'amount', face_fen: 800, off_bp: 0, cap_fen: null, min_spend_fen: 2000, face_text: '¥8', condition_text: '满 20 可用',
  scope_text: '全部门店', stacking_text: '', uses_total: 1, uses_left: 1, uses_text: '', giftable: false, state: 'issued', state_text: '可使用', usable: true, valid_from: order.placed_at, expires_at: '2099-12-01T00:00:00+08:00', order_no: null,
  redeemed_at: null, store_name: '', discount_fen: null, source_text: '关注见面礼',
}
export const me: T.Me = {
  id: '1', no: '88001286', nickname: '阿青', avatar: '', phone: '138****5201', tier: '银毫', points: 1286, points_pending: 66, coupons_count: 4, orders_count: 7, birthday: null, gender: '', address: '',
  marketing_consent: false, personal_recommendation: true,
}
const { id: _id, state: _state, ...worth } = coupon
export const answers: Record<string, unknown> = {
  'POST /sessions': { token: 't', expires_in: 3600, user: { id: '1', nickname: '' } },
  'GET /config': { merchant: { code: 'qinghe', name: '青禾茶铺', brand_color: '#0b6b4f', logo: '' }, subscribe_templates: { order_ready: 'T1' } },
  'GET /stores': { items: [store, { ...store, id: '2', name: '青禾茶铺·浦东店', open: false, state_text: '休息中', distance_m: 5210 }], next: null },
  'GET /stores/1': store,
  'GET /stores/1/menu': menu,
  'GET /tables/A06': { store, table: { code: 'A06', name: 'A06 桌' } },
  'POST /quotes': quote,
  'POST /orders': order,
  [`GET /orders/${order.no}`]: order,
  [`POST /orders/${order.no}/payment`]: { show: 'sheet', params: { timeStamp: '1', nonceStr: 'n', package: 'prepay_id=x', signType: 'RSA', paySign: 's' } },
  [`GET /shares/${split.split_token}`]: shares,
  [`POST /shares/${split.split_token}/payment`]: { show: 'sheet', params: { timeStamp: '1', nonceStr: 'n', package: 'prepay_id=s', signType: 'RSA', paySign: 's' } },
  'GET /orders': { items: [row], next: null },
  'GET /coupons': { items: [coupon], next: null, counts: { usable: 1, used: 0, expired: 0 } },
  'GET /coupon-templates': { items: [{ ...worth, id: '9', valid_text: '领取后 7 天内可用', left: 3, claimed: 0, per_member_limit: 1, claimable: true }], next: null },
  'POST /coupon-templates/9/claim': coupon,
  'GET /coupons/7/code': { coupon, token: 'LL1.4827109356.1.ab', code: '4827109356', code_text: '4827 1093 56', expires_at: '2099-01-01T00:00:00+08:00', seconds_left: 38, step_seconds: 60 },
  'GET /me': me,
  'POST /subscriptions': {},
}
