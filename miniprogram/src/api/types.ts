/** The names that pages use for the backend's shapes; schema.d.ts is made from the backend's description, so a drift fails the type check. */
import type { components, paths } from './schema'

type S = components['schemas']

export type Config = S['ConfigOut']
export type Store = S['StoreOut']
export type Table = S['TableOut']
export type Menu = S['MenuOut']
export type Category = S['CategoryOut']
export type Product = S['ProductOut']
export type Sku = S['SkuOut']
export type OptionGroup = S['OptionGroupOut']
export type Option = S['OptionOut']
export type Cart = S['CartIn']
export type CartItem = S['ItemIn']
export type Fulfilment = Cart['fulfilment']
export type Quote = S['QuoteOut']
export type Line = S['LineOut']
export type Discount = S['DiscountOut']
export type OrderBody = S['OrderIn']
export type Order = S['OrderOut']
export type OrderRow = S['OrderRow']
export type Shares = S['SharesOut']
export type PaymentBody = S['PaymentIn']
export type PaymentShown = S['PaymentOut']
export type PaymentPart = Order['payments'][number]
export type Refund = S['RefundOut']
export type Template = S['TemplateOut']
export type Coupon = S['CouponOut']
export type Gift = S['GiftOut']
export type Code = S['CodeOut']
export type Membership = S['MembershipOut']
export type Plan = S['PlanOut']
export type Lottery = S['LotteryOut']
export type SignIn = S['SignInOut']
export type Referral = S['ReferralOut']
export type Me = S['MeOut']
export type Profile = S['ProfileIn']

export type Page<T> = { items: T[]; next?: string | null }

type Content<R> = R extends { content: { 'application/json': infer T } } ? T : never
/** What an operation answers when all is well: Reply<'/api/v1/me', 'get'> */
export type Reply<P extends keyof paths, M extends keyof paths[P]> =
  paths[P][M] extends { responses: infer R } ? Content<R[keyof R]> : never
/** What an operation takes. */
export type Body<P extends keyof paths, M extends keyof paths[P]> =
  paths[P][M] extends { requestBody: infer B } ? Content<B> : never
