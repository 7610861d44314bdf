/** Every call of the mini-program API, one function each. */
import type { Answer } from '@/platform/types'
import { call, query } from './client'
import type { Body, Cart, OrderBody, Plan, Profile, Reply } from './types'

export * from './types'
export { explain, Offline, Problem } from './problem'
export { net } from './client'

export type Position = { lat: number; lng: number }
const OPEN = { open: true }

export const getConfig = () => call<Reply<'/api/v1/config', 'get'>>('GET', '/config', OPEN)
export const getStores = (at?: Position, q = '') =>
  call<Reply<'/api/v1/stores', 'get'>>('GET', `/stores${query({ ...at, q, limit: 50 })}`, OPEN)
export const getStore = (id: string, at?: Position) =>
  call<Reply<'/api/v1/stores/{store_id}', 'get'>>('GET', `/stores/${id}${query({ ...at })}`, OPEN)
export const getMenu = (store: string) =>
  call<Reply<'/api/v1/stores/{store_id}/menu', 'get'>>('GET', `/stores/${store}/menu`, OPEN)
export const getTable = (code: string) =>
  call<Reply<'/api/v1/tables/{code}', 'get'>>('GET', `/tables/${encodeURIComponent(code)}`, OPEN)
/** The table whose printed code reads `qr`. */
export const findTable = (qr: string) => call<Reply<'/api/v1/tables', 'get'>>('GET', `/tables${query({ qr })}`, OPEN)

export const getQuote = (data: Cart) => call<Reply<'/api/v1/quotes', 'post'>>('POST', '/quotes', { data })
export const placeOrder = (data: OrderBody, key: string) =>
  call<Reply<'/api/v1/orders', 'post'>>('POST', '/orders', { data, key })
export const getPayment = (no: string, data: Body<'/api/v1/orders/{no}/payment', 'post'>, key?: string) =>
  call<Reply<'/api/v1/orders/{no}/payment', 'post'>>('POST', `/orders/${no}/payment`, { data, key })
export const splitOrder = (no: string, shares: number) =>
  call<Reply<'/api/v1/orders/{no}/split', 'post'>>('POST', `/orders/${no}/split`, { data: { shares } })
export const unsplitOrder = (no: string) => call<Reply<'/api/v1/orders/{no}/unsplit', 'post'>>('POST', `/orders/${no}/unsplit`, { data: {} })
export const getShares = (token: string) => call<Reply<'/api/v1/shares/{token}', 'get'>>('GET', `/shares/${encodeURIComponent(token)}`)
export const payShare = (token: string, data: Body<'/api/v1/shares/{token}/payment', 'post'>, key?: string) =>
  call<Reply<'/api/v1/shares/{token}/payment', 'post'>>('POST', `/shares/${encodeURIComponent(token)}/payment`, { data, key })
export const getOrder = (no: string) => call<Reply<'/api/v1/orders/{no}', 'get'>>('GET', `/orders/${no}`)
export const getOrders = (state: string, cursor?: string) =>
  call<Reply<'/api/v1/orders', 'get'>>('GET', `/orders${query({ state, cursor })}`)
export const cancelOrder = (no: string, data: Body<'/api/v1/orders/{no}/cancel', 'post'>, key: string) =>
  call<Reply<'/api/v1/orders/{no}/cancel', 'post'>>('POST', `/orders/${no}/cancel`, { data, key })

export const getCoupons = (state: 'usable' | 'used' | 'expired', cursor?: string) =>
  call<Reply<'/api/v1/coupons', 'get'>>('GET', `/coupons${query({ state, cursor })}`)
export const getTemplates = () =>
  call<Reply<'/api/v1/coupon-templates', 'get'>>('GET', '/coupon-templates?claimable=1')
export const claimCoupon = (template: string, key: string) =>
  call<Reply<'/api/v1/coupon-templates/{template_id}/claim', 'post'>>('POST', `/coupon-templates/${template}/claim`, { data: {}, key })
export const claimCode = (code: string) =>
  call<Reply<'/api/v1/coupons/claim-code', 'post'>>('POST', '/coupons/claim-code', { data: { code } })
export const offerGift = (coupon: string, words: string) =>
  call<Reply<'/api/v1/coupons/{coupon_id}/gift', 'post'>>('POST', `/coupons/${coupon}/gift`, { data: { words } })
export const getGifts = () => call<Reply<'/api/v1/gifts', 'get'>>('GET', '/gifts')
export const getGift = (secret: string) =>
  call<Reply<'/api/v1/gifts/by-secret/{secret}', 'get'>>('GET', `/gifts/by-secret/${encodeURIComponent(secret)}`)
export const acceptGift = (secret: string) =>
  call<Reply<'/api/v1/gifts/by-secret/{secret}/accept', 'post'>>('POST', `/gifts/by-secret/${encodeURIComponent(secret)}/accept`, { data: {} })
export const withdrawGift = (gift: string) =>
  call<Reply<'/api/v1/gifts/{gift_id}/withdraw', 'post'>>('POST', `/gifts/${gift}/withdraw`, { data: {} })
export const getCode = (coupon: string) =>
  call<Reply<'/api/v1/coupons/{coupon_id}/code', 'get'>>('GET', `/coupons/${coupon}/code`)

export const getMembership = () => call<Reply<'/api/v1/membership', 'get'>>('GET', '/membership')
export const getPoints = (cursor?: string) => call<Reply<'/api/v1/points', 'get'>>('GET', `/points${query({ cursor })}`)
export const getGoods = () => call<Reply<'/api/v1/point-goods', 'get'>>('GET', '/point-goods')
export const exchangeGoods = (goods: string, key: string) =>
  call<Reply<'/api/v1/point-goods/{goods_id}/exchange', 'post'>>('POST', `/point-goods/${goods}/exchange`, { data: {}, key })
export const getBalance = (cursor?: string) => call<Reply<'/api/v1/balance', 'get'>>('GET', `/balance${query({ cursor })}`)
export const getPlans = (kind: Plan['kind']) => call<Reply<'/api/v1/plans', 'get'>>('GET', `/plans${query({ kind })}`)
export const buyPlan = (plan: string, key: string) =>
  call<Reply<'/api/v1/plans/{plan_id}/orders', 'post'>>('POST', `/plans/${plan}/orders`, { data: {}, key })
export const getSignIn = () => call<Reply<'/api/v1/sign-in', 'get'>>('GET', '/sign-in')
export const signIn = () => call<Reply<'/api/v1/sign-in', 'post'>>('POST', '/sign-in', { data: {} })
export const getLotteries = () => call<Reply<'/api/v1/lotteries', 'get'>>('GET', '/lotteries')
export const drawLottery = (lottery: string, key: string) =>
  call<Reply<'/api/v1/lotteries/{lottery_id}/draws', 'post'>>('POST', `/lotteries/${lottery}/draws`, { data: {}, key })
export const getReferral = (device: string) => call<Reply<'/api/v1/referral', 'get'>>('GET', `/referral?device=${device}`)
export const acceptInvite = (code: string, device: string) => call<unknown>('POST', '/referral', { data: { code, device } })

export const getMe = () => call<Reply<'/api/v1/me', 'get'>>('GET', '/me')
export const changeMe = (data: Profile) => call<Reply<'/api/v1/me', 'post'>>('POST', '/me', { data })
export const setPhone = (code: string) => call<Reply<'/api/v1/me/phone', 'post'>>('POST', '/me/phone', { data: { code } })
export const recordPlace = (place: { lat: number; lng: number }) => call<unknown>('POST', '/me/place', { data: place })
/** What a button may ask the person to allow now; fetched before the tap, since WeChat's dialog must come straight from it. */
export const whatToAsk = (occasion: 'after_pay' | 'after_claim' | 'after_pickup' | 'after_booking' | 'after_sign_in') => call<Reply<'/api/v1/subscriptions', 'get'>>('GET', `/subscriptions${query({ occasion })}`).then((answer) => answer.templates)
export const recordGrants = (grants: Record<string, Answer>) => call<unknown>('POST', '/subscriptions', { data: { grants } })
