/** Shapes of the mini-program API. */
export type Fulfilment = 'pickup' | 'dine_in'
export interface Page<T> { items: T[]; next: string | null }

export interface Config {
  merchant: { code: string; name: string; brand_color: string; logo: string }
  subscribe_templates: Record<string, string>
}

export interface Store {
  id: string
  code: string
  name: string
  address: string
  city: string
  lat: number | null
  lng: number | null
  phone: string
  distance_m: number | null
  open: boolean
  state: 'open' | 'closed'
  state_text: string
  hours: Record<string, string[][]>
  today: string[][]
  prep_minutes: number
  promotions: string[]
}
export interface Table { code: string; name: string }

export interface Sku { sku_id: string; name: string; price_fen: number; stock: number | null; state: 'on' | 'sold_out' }
export interface Option { id: string; name: string; price_fen: number; state: 'on' | 'sold_out' }
export interface OptionGroup { id: string; name: string; kind: 'single' | 'multiple'; min: number; max: number; options: Option[] }
export interface Product {
  id: string
  name: string
  description: string
  image: string
  kind: string
  badges: string[]
  price_fen: number
  state: 'on' | 'sold_out'
  skus: Sku[]
  option_groups: OptionGroup[]
}
export interface Category { id: string; name: string; products: Product[] }
export interface Menu { store_id: string; categories: Category[] }

export interface CartItem { sku_id: string; quantity: number; options: string[] }
export interface Cart {
  store_id: string
  fulfilment: Fulfilment
  items: CartItem[]
  /** 'best': the one that saves most. */
  coupon_id?: string | null
  table_code?: string
}
export interface OrderBody extends Cart { note: string; expected_payable_fen: number }

export interface Line {
  sku_id: string
  product_id: string
  name: string
  sku_name: string
  image: string
  options: { id: string; group: string; name: string; price_fen: number }[]
  options_text: string
  quantity: number
  unit_fen: number
  amount_fen: number
  discount_fen: number
  payable_fen: number
}
export interface Discount { kind: 'promotion' | 'coupon'; id: string; name: string; reason: string; amount_fen: number; lines: number[] }
export interface Rejected { kind: 'promotion' | 'coupon'; id: string; name: string; reason: string }
export interface CouponChoice { id: string; name: string; usable: boolean; discount_fen: number; reason: string }
export interface Quote {
  store_id: string
  fulfilment: Fulfilment
  items: Line[]
  discounts: Discount[]
  rejected: Rejected[]
  coupons: CouponChoice[]
  best_coupon: { id: string; name: string; discount_fen: number } | null
  coupon_id: string | null
  goods_fen: number
  discount_fen: number
  payable_fen: number
  wait_minutes: number
}

export type OrderState = 'placed' | 'accepted' | 'preparing' | 'ready' | 'completed' | 'cancelled'
export type PaymentState = 'unpaid' | 'part_paid' | 'paid' | 'part_refunded' | 'refunded'
export interface Refund { no: string; amount_fen: number; state: 'requested' | 'processing' | 'succeeded' | 'failed'; reason: string; at: string }
export interface Order {
  no: string
  state: OrderState
  payment_state: PaymentState
  state_text: string
  fulfilment: Fulfilment
  store: { id: string; name: string; address: string; phone: string; lat: number | null; lng: number | null }
  table: Table | null
  pickup_number: string
  pickup_code: string | null
  lines: Line[]
  discounts: Discount[]
  goods_fen: number
  discount_fen: number
  payable_fen: number
  paid_fen: number
  refunded_fen: number
  coupon_id: string | null
  note: string
  placed_at: string
  expires_at: string | null
  paid_at: string | null
  accepted_at: string | null
  ready_at: string | null
  completed_at: string | null
  cancelled_at: string | null
  cancel_reason: string
  ready_by: string | null
  can_cancel: boolean
  refunds: Refund[]
}
export interface OrderRow {
  no: string
  state: OrderState
  payment_state: PaymentState
  state_text: string
  fulfilment: Fulfilment
  store_id: string
  store_name: string
  pickup_number: string
  title: string
  images: string[]
  quantity: number
  payable_fen: number
  placed_at: string
  expires_at: string | null
}

export interface Worth {
  name: string
  kind: 'amount' | 'percent'
  face_fen: number
  off_bp: number
  cap_fen: number | null
  min_spend_fen: number
  face_text: string
  condition_text: string
  scope_text: string
}
export interface Template extends Worth {
  id: string
  valid_text: string
  left: number | null
  claimed: number
  per_member_limit: number
  claimable: boolean
}
export interface Coupon extends Worth {
  id: string
  template_id: string
  state: 'issued' | 'locked' | 'redeemed' | 'expired' | 'void'
  state_text: string
  usable: boolean
  valid_from: string
  expires_at: string
  order_no: string | null
  redeemed_at: string | null
  store_name: string
  discount_fen: number | null
  source_text: string
}
export interface Coupons extends Page<Coupon> { counts: { usable: number; used: number; expired: number } }
export interface Code { coupon: Coupon; token: string; code: string; code_text: string; expires_at: string; seconds_left: number; step_seconds: number }

export interface Me {
  id: string
  no: string
  nickname: string
  avatar: string
  phone: string
  tier: string
  points: number
  points_pending: number
  coupons_count: number
  orders_count: number
  marketing_consent: boolean
  personal_recommendation: boolean
}
export type Profile = Partial<Pick<Me, 'nickname' | 'marketing_consent' | 'personal_recommendation'>>
