/** How an order is paid, and how money came and went, in the customer's words. */
import type { Order, PaymentPart, Refund } from '@/api'
import { yuan } from './money'
import { minutesUntil } from './time'

const CHANNELS: Record<PaymentPart['channel'], string> = {
  wechat: '微信支付', alipay: '支付宝', unionpay: '银联', balance: '储值', none: '不用付',
}

/** What is paid next: of several bills the first that is open and nobody else is paying. */
export function due(order: Pick<Order, 'payable_fen' | 'bills'>): { bill?: number; fen: number; name: string } {
  const found = order.bills.find((each) => each.state === 'open')
  if (!found) return { fen: order.payable_fen, name: '' }
  return { bill: found.bill, fen: found.amount_fen, name: BILLS[found.kind] }
}
export const BILLS: Record<Order['bills'][number]['kind'], string> = { whole: '', deposit: '定金', rest: '尾款', share: '一份' }

/** What the balance pays of an order and what is left for the channel. */
export function split(dueFen: number, haveFen: number): { balance: number; rest: number } {
  const balance = Math.max(0, Math.min(dueFen, haveFen))
  return { balance, rest: dueFen - balance }
}

/** Under 储值支付: what it holds, or what becomes of it. `alone`: in a browser the rest may be paid anywhere. */
export function balanceSays(dueFen: number, haveFen: number, on: boolean, alone: boolean): string {
  if (!on) return `余额 ${yuan(haveFen, true)}`
  const { balance, rest } = split(dueFen, haveFen)
  if (!rest) return `付完还剩 ${yuan(haveFen - balance, true)}`
  return `余额全用上，还差 ${yuan(rest, true)}${alone ? '' : ' 用微信付'}`
}

/** '储值 ¥40.00 + 微信支付 ¥26.00'; one way alone says no amount. */
export function paidBy(parts: PaymentPart[]): string {
  const paid = parts.filter((part) => part.state === 'paid')
  if (paid.length < 2) return paid.map((part) => CHANNELS[part.channel]).join('')
  return paid.map((part) => `${CHANNELS[part.channel]} ${yuan(part.amount_fen, true)}`).join(' + ')
}

/** What of the balance waits with a payment that is not finished: it may be used for that again. */
export const kept = (parts: PaymentPart[]) =>
  parts.reduce((sum, part) => sum + (part.channel === 'balance' && part.state === 'waiting' ? part.amount_fen : 0), 0)

/** '还没付款，给你留 14 分钟' */
export function heldFor(order: Pick<Order, 'expires_at'>, now = Date.now()): string {
  const left = order.expires_at && new Date(order.expires_at).getTime() > now
  return left ? `还没付款，给你留 ${minutesUntil(order.expires_at!, now)} 分钟` : '还没付款'
}

export const UNSURE = '正在跟银行确认，别重复付款，最多 1 分钟'

/** Where a refund goes, part by part. */
export function wayBack(refund: Refund): string[] {
  const done = refund.state === 'succeeded'
  const parts: string[] = []
  if (refund.channel_fen) parts.push(`${yuan(refund.channel_fen, true)} ${done ? '已原路退回' : '原路退回'}`)
  if (refund.balance_fen) parts.push(`${yuan(refund.balance_fen, true)} ${done ? '已退到余额' : '退到余额'}`)
  return parts
}
