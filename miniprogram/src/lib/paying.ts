/** How an order is paid, and how money came and went, in the customer's words. */
import { explain, Problem } from '@/api/problem'
import type { Order, PaymentPart, Refund, Shares } from '@/api'
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
/** Whether somebody else is just paying what is left, so that nothing can be paid now. */
export const nothingOpen = (order: Pick<Order, 'bills'>) => order.bills.length > 0 && order.bills.every((each) => each.state !== 'open')

/** Who shares an order, and how far they are; nothing where one pays it all. */
export function sharing(order: Pick<Order, 'bills'>): { all: number; paid: number } | undefined {
  const shares = order.bills.filter((each) => each.kind === 'share')
  if (!shares.length) return undefined
  return { all: shares.length, paid: shares.filter((each) => each.state === 'paid').length }
}

export const FEWEST_SHARES = 2
/** No more than a table, and a fen each. */
export const mostShares = (fen: number) => Math.min(20, fen)

/** '2 份 ¥6.67，1 份 ¥6.66': equal to the fen, as the server splits it: the first ones bear what is over. */
export function equalParts(fen: number, shares: number): { count: number; fen: number }[] {
  const each = Math.floor(fen / shares)
  const over = fen - each * shares
  return [{ count: over, fen: each + 1 }, { count: shares - over, fen: each }].filter(({ count }) => count > 0)
}
export const partsSay = (fen: number, shares: number) => {
  const parts = equalParts(fen, shares)
  return parts.length === 1 ? `每份 ${yuan(parts[0]!.fen, true)}` : parts.map((part) => `${part.count} 份 ${yuan(part.fen, true)}`).join('，')
}

export const SHARE_STATES: Record<Order['bills'][number]['state'], string> = { open: '待付', taken: '正在付', paid: '已付' }

/** The share that a friend's page asks for: what they began, then what the link names, then any that is free. */
export function ownShare<T extends Shares['shares'][number]>(shares: T[], wanted = 0): T | undefined {
  const open = shares.filter((each) => each.state === 'open')
  return open.find((each) => each.bill === wanted) ?? open.find((each) => each.mine) ?? open[0]
}

/** What the friend's page says of an order that needs no more money from them; over comes before what they paid. */
export function shareHead(view: Shares, paying: boolean): { title: string; text: string } | undefined {
  const mine = view.shares.filter((each) => each.mine && each.state === 'paid')
  const paid = yuan(mine.reduce((sum, each) => sum + each.amount_fen, 0), true)
  if (view.state === 'over') {
    if (!mine.length) return { title: '这一单不用付了', text: '取消了，或者付款时间过了。你没有被扣钱' }
    if (mine.every((each) => each.back === 'done')) return { title: '已退款', text: `这一单取消了，你付的 ${paid} 退回给你了` }
    return { title: '正在退款', text: `这一单取消了，你付的 ${paid} 正在退回给你` }
  }
  if (mine.length && !paying) return { title: '你这份付好了', text: `付了 ${paid}，谢谢` }
  if (view.state === 'paid') return { title: '这一单付齐了', text: '不用再付' }
  return undefined
}

/** What went wrong with a friend's share, for the friend: nothing of it tells them to order again. */
const SHARE_ERRORS: Record<string, string> = {
  share_taken: '有人正在付这一份，换一份，或过几分钟再看',
  share_not_found: '平摊取消了，问问发给你的人',
  order_already_paid: '这一份已经有人付了',
  order_not_payable: '这一单不用付了，你没有被扣钱',
  order_expired: '付款时间过了，你没有被扣钱',
  bill_not_found: '平摊改过了，问问发给你的人',
}
export const explainShare = (error: unknown) => (error instanceof Problem && SHARE_ERRORS[error.code]) || explain(error)

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

/** What was asked for at once is one: its sum, every part of it, and the state of what waits longest. */
export function batches(refunds: Refund[]) {
  const urgent = ['failed', 'requested', 'processing', 'succeeded']
  const several = new Map<string, Refund[]>()
  for (const refund of refunds) several.set(refund.batch, [...(several.get(refund.batch) ?? []), refund])
  return [...several].map(([batch, all]) => ({
    batch,
    at: all[0]!.at,
    amount_fen: all.reduce((sum, refund) => sum + refund.amount_fen, 0),
    state: all.map((refund) => refund.state).sort((a, b) => urgent.indexOf(a) - urgent.indexOf(b))[0]!,
    parts: all.flatMap((refund) => wayBack(refund, all.length > 1 && refund.state === 'failed')),
  }))
}

/** Where a refund goes, part by part. */
export function wayBack(refund: Refund, failed = false): string[] {
  const done = refund.state === 'succeeded'
  if (failed) return [`${yuan(refund.amount_fen, true)} 没退成功，店里在处理`]
  if (refund.to_friend) return [`${yuan(refund.amount_fen, true)} ${done ? '已退给付款的朋友' : '退给付款的朋友'}`]
  const parts: string[] = []
  if (refund.channel_fen) parts.push(`${yuan(refund.channel_fen, true)} ${done ? '已原路退回' : '原路退回'}`)
  if (refund.balance_fen) parts.push(`${yuan(refund.balance_fen, true)} ${done ? '已退到余额' : '退到余额'}`)
  return parts
}
