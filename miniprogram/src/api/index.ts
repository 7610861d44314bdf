/** Every call of the mini-program API, one function each. */
import type { Answer, PayParams } from '@/platform/types'
import { call, query } from './client'
import type * as T from './types'

export * from './types'
export { explain, Offline, Problem } from './problem'
export { net } from './client'

export type Position = { lat: number; lng: number }

export const getConfig = () => call<T.Config>('GET', '/config', { open: true })
export const getStores = (at?: Position, q = '') => call<T.Page<T.Store>>('GET', `/stores${query({ ...at, q, limit: 50 })}`, { open: true })
export const getStore = (id: string, at?: Position) => call<T.Store>('GET', `/stores/${id}${query({ ...at })}`, { open: true })
export const getMenu = (store: string) => call<T.Menu>('GET', `/stores/${store}/menu`, { open: true })
export const getTable = (code: string) => call<{ store: T.Store; table: T.Table }>('GET', `/tables/${encodeURIComponent(code)}`, { open: true })

export const getQuote = (cart: T.Cart) => call<T.Quote>('POST', '/quotes', { data: cart })
export const placeOrder = (body: T.OrderBody, key: string) => call<T.Order>('POST', '/orders', { data: body, key })
export const getPayment = (no: string, key: string) =>
  call<{ params: PayParams }>('POST', `/orders/${no}/payment`, { data: { channel: 'wechat' }, key })
export const getOrder = (no: string) => call<T.Order>('GET', `/orders/${no}`)
export const getOrders = (state: string, cursor?: string) => call<T.Page<T.OrderRow>>('GET', `/orders${query({ state, cursor })}`)
export const cancelOrder = (no: string, reason: string, key: string) =>
  call<T.Order>('POST', `/orders/${no}/cancel`, { data: { reason }, key })

export const getCoupons = (state: 'usable' | 'used' | 'expired', cursor?: string) => call<T.Coupons>('GET', `/coupons${query({ state, cursor })}`)
export const getTemplates = () => call<T.Page<T.Template>>('GET', '/coupon-templates?claimable=1')
export const claimCoupon = (template: string, key: string) => call<T.Coupon>('POST', `/coupon-templates/${template}/claim`, { data: {}, key })
export const getCode = (coupon: string) => call<T.Code>('GET', `/coupons/${coupon}/code`)

export const getMe = () => call<T.Me>('GET', '/me')
export const changeMe = (profile: T.Profile) => call<T.Me>('PATCH', '/me', { data: profile })
export const setPhone = (code: string) => call<T.Me>('POST', '/me/phone', { data: { code } })
export const recordGrants = (grants: Record<string, Answer>) => call<unknown>('POST', '/subscriptions', { data: { grants } })
