/** An order in the customer's words. */
import type { Order } from '@/api'
import { sharing, UNSURE } from './paying'
import { clock, countdown, minutesUntil, when } from './time'

export interface Step { text: string; icon: 'check' | 'cup' | 'bag' | 'smile'; time: string; state: 'done' | 'now' | 'later' }

export const unpaid = (order: Order) => order.state === 'placed' && (order.payment_state === 'unpaid' || order.payment_state === 'part_paid')
export const over = (order: Order) => order.state === 'completed' || order.state === 'cancelled'
export const refunding = (order: Order) => order.refunds.some((refund) => refund.state === 'requested' || refund.state === 'processing')

export function steps(order: Order): Step[] {
  const at = [order.paid_at, order.accepted_at, order.ready_at, order.completed_at]
  const reached = at.reduce((last, time, index) => (time ? index : last), -1)
  const icons = ['check', 'cup', 'bag', 'smile'] as const
  const texts = ['已付款', '制作中', order.fulfilment === 'dine_in' ? '已上桌' : '可取餐', '已完成']
  return texts.map((text, index) => {
    const state = index < reached || (index === reached && index === 3) ? 'done' : index === reached ? 'now' : 'later'
    const guess = index === 2 && order.ready_by && !order.ready_at && !over(order) ? `约 ${clock(order.ready_by)}` : ''
    return { text, icon: state === 'done' ? 'check' : icons[index]!, time: at[index] ? clock(at[index]!) : guess, state }
  })
}

export const withCoupon = (order: Order) => order.discounts.some((each) => each.kind === 'coupon')
const unpaidEnd = (order: Order) => {
  const why = /超时|过期|未付款/.test(order.cancel_reason) ? '超过时间没付款，没有扣钱' : '没有扣钱'
  return withCoupon(order) ? `${why}，券也还你了` : why
}

/** More than that is no countdown: a day to pay by. */
const HOUR_S = 3600

/** The large line of the page and the small one under it. */
export function headline(order: Order, now: number, unsure = false): { label: string; big: string; small: string; strong: string } {
  const number = { label: order.fulfilment === 'dine_in' ? `${order.table?.name ?? '堂食'} · 取餐号` : '取餐号', big: order.pickup_number }
  if (unpaid(order) && unsure) return { label: '这一单', big: '确认中', small: UNSURE, strong: '' }
  if (unpaid(order)) {
    const left = order.expires_at ? (new Date(order.expires_at).getTime() - now) / 1000 : 0
    if (left > HOUR_S) return { label: order.paid_fen > 0 ? '付了一部分' : '等你付款', big: '待付款', small: `${when(order.expires_at!)} 前付，东西先给你留着`, strong: '' }
    const shares = sharing(order)
    if (shares && left > 0) return { label: shares.paid ? `${shares.all} 份付了 ${shares.paid} 份` : `平摊成 ${shares.all} 份`, big: countdown(left), small: shares.paid ? '内没付齐就取消，付过的都退回' : '后取消，东西先给你留着', strong: '' }
    return { label: '等你付款', big: countdown(left), small: left > 0 ? '后取消，东西先给你留着' : '付款时间过了，正在取消', strong: '' }
  }
  if (order.state === 'cancelled') {
    const back = order.refunded_fen > 0 ? '钱已退回' : refunding(order) ? '钱正在退回' : order.paid_fen > 0 ? '钱还没退成，店里在处理' : unpaidEnd(order)
    return { label: order.pickup_number ? `取餐号 ${order.pickup_number}` : '这一单', big: order.refunded_fen > 0 ? '已退款' : '已取消', small: back, strong: '' }
  }
  if (order.payment_state === 'refunded' && !over(order)) return { ...number, label: '这一单', big: '已退款', small: '钱已退回', strong: '' }
  if (order.state === 'placed') return { ...number, small: '已付款，等店里接单', strong: '' }
  if (order.state === 'ready') {
    return { ...number, small: order.fulfilment === 'dine_in' ? '做好了，' : '做好了，', strong: order.fulfilment === 'dine_in' ? '马上端到你桌上' : '来柜台取吧' }
  }
  if (order.state === 'completed') return { ...number, small: '取好了，慢慢喝', strong: '' }
  return { ...number, small: '正在制作，大约还要 ', strong: order.ready_by ? `${minutesUntil(order.ready_by, now)} 分钟` : '几分钟' }
}
