import { expect, test } from 'vitest'
import { Problem, type Order, type PaymentPart, type Refund, type Shares } from '@/api'
import { balanceSays, batches, due, equalParts, explainShare, heldFor, kept, mostShares, nothingOpen, ownShare, paidBy, partsSay, shareHead, sharing, split, wayBack } from '@/lib/paying'
import { headline } from '@/lib/progress'

const part = (channel: PaymentPart['channel'], amount_fen: number, state: PaymentPart['state'] = 'paid'): PaymentPart => ({ channel, amount_fen, state })

test('the balance pays as much as there is, the channel the rest', () => {
  expect(split(6600, 13_000)).toEqual({ balance: 6600, rest: 0 })
  expect(split(6600, 4000)).toEqual({ balance: 4000, rest: 2600 })
  expect(split(6600, 0)).toEqual({ balance: 0, rest: 6600 })
  expect(split(6600, -100)).toEqual({ balance: 0, rest: 6600 })
})

test('how an order was paid, and nothing of what is not paid yet', () => {
  expect(paidBy([part('wechat', 6600)])).toBe('微信支付')
  expect(paidBy([part('balance', 4000), part('wechat', 2600)])).toBe('储值 ¥40.00 + 微信支付 ¥26.00')
  expect(paidBy([part('balance', 4000, 'waiting'), part('wechat', 2600, 'waiting')])).toBe('')
})

test('what waits with an unfinished payment may be used for it again', () => {
  expect(kept([part('balance', 4000, 'waiting'), part('wechat', 2600, 'waiting')])).toBe(4000)
  expect(kept([part('balance', 4000)])).toBe(0)
})

test('a payment that was not made keeps its minutes', () => {
  const now = Date.parse('2026-11-23T04:00:00Z')
  expect(heldFor({ expires_at: '2026-11-23T04:13:10Z' }, now)).toBe('还没付款，给你留 14 分钟')
  expect(heldFor({ expires_at: '2026-11-23T03:59:00Z' }, now)).toBe('还没付款')
  expect(heldFor({ expires_at: null }, now)).toBe('还没付款')
})

test('a refund says where each part goes', () => {
  const refund = (values: Partial<Refund>) => ({ no: 'R1', amount_fen: 1500, channel_fen: 1000, balance_fen: 500, to_friend: false, state: 'processing', reason: '', at: '', ...values }) as Refund
  expect(wayBack(refund({}))).toEqual(['¥10.00 原路退回', '¥5.00 退到余额'])
  expect(wayBack(refund({ state: 'succeeded', channel_fen: 1500, balance_fen: 0 }))).toEqual(['¥15.00 已原路退回'])
  expect(wayBack(refund({ to_friend: true, channel_fen: 0, balance_fen: 1500 }))).toEqual(['¥15.00 退给付款的朋友']) // into whose balance is not told
  expect(wayBack(refund({ to_friend: true, state: 'succeeded' }))).toEqual(['¥15.00 已退给付款的朋友'])
})

test('what was asked back at once is one refund with its parts', () => {
  const refund = (no: string, batch: string, channel_fen: number, balance_fen: number, state: Refund['state']) => ({ no, batch, amount_fen: channel_fen + balance_fen, channel_fen, balance_fen, to_friend: false, state, reason: '洒了', at: '2026-11-23T04:00:00Z' }) as Refund
  const asked = [refund('R1', 'R1', 140, 0, 'processing'), refund('R2', 'R1', 0, 1820, 'succeeded'), refund('R3', 'R3', 500, 0, 'succeeded')]
  expect(batches(asked).map(({ batch, amount_fen, state, parts }) => [batch, amount_fen, state, parts])).toEqual([
    ['R1', 1960, 'processing', ['¥1.40 原路退回', '¥18.20 已退到余额']],
    ['R3', 500, 'succeeded', ['¥5.00 已原路退回']],
  ])
  expect(batches([refund('R1', 'R1', 140, 0, 'failed'), refund('R2', 'R1', 0, 1820, 'succeeded')])[0]!.parts[0]).toBe('¥1.40 没退成功，店里在处理')
})

test('while the bank is asked nobody is told to pay', () => {
  const order = { no: '1', state: 'placed', payment_state: 'unpaid', expires_at: new Date(Date.now() + 600_000).toISOString(), bills: [], discounts: [], refunds: [] } as unknown as Order
  expect(headline(order, Date.now(), true)).toMatchObject({ big: '确认中', small: '正在跟银行确认，别重复付款，最多 1 分钟' })
  expect(headline(order, Date.now()).label).toBe('等你付款')
})

test('what the balance leaves over is paid with WeChat inside WeChat, anywhere in a browser', () => {
  expect(balanceSays(6600, 4900, true, false)).toBe('余额全用上，还差 ¥17.00 用微信付')
  expect(balanceSays(6600, 4900, true, true)).toBe('余额全用上，还差 ¥17.00')
  expect(balanceSays(6600, 7000, true, true)).toBe('付完还剩 ¥4.00')
  expect(balanceSays(6600, 4900, false, true)).toBe('余额 ¥49.00')
})

test('of several bills the first that is open and nobody else is paying is next', () => {
  const bill = (number: number, kind: Order['bills'][number]['kind'], amount_fen: number, state: Order['bills'][number]['state'] = 'open') => ({ bill: number, kind, amount_fen, state, due_at: null })
  const order = (...bills: Order['bills']) => ({ payable_fen: 2500, bills })
  expect(due(order(bill(1, 'whole', 2500)))).toEqual({ bill: 1, fen: 2500, name: '' })
  expect(due(order(bill(2, 'deposit', 500), bill(3, 'rest', 2000)))).toEqual({ bill: 2, fen: 500, name: '定金' })
  expect(due(order(bill(2, 'deposit', 500, 'paid'), bill(3, 'rest', 2000)))).toEqual({ bill: 3, fen: 2000, name: '尾款' })
  expect(due(order(bill(2, 'share', 1250, 'taken'), bill(3, 'share', 1250)))).toMatchObject({ bill: 3, fen: 1250 })
})

test('what is due in days has no countdown', () => {
  const order = { no: '1', state: 'placed', payment_state: 'part_paid', paid_fen: 500, expires_at: '2026-12-01T04:00:00Z', bills: [], discounts: [], refunds: [] } as unknown as Order
  expect(headline(order, Date.parse('2026-11-24T04:00:00Z'))).toMatchObject({ label: '付了一部分', big: '待付款' })
})

const share = (bill: number, state: Order['bills'][number]['state'] = 'open', amount_fen = 1000) => ({ bill, kind: 'share' as const, amount_fen, state, due_at: null })

test('shares are equal to the fen and together exactly all', () => {
  expect(equalParts(2000, 3)).toEqual([{ count: 2, fen: 667 }, { count: 1, fen: 666 }])
  expect(equalParts(3100, 2)).toEqual([{ count: 2, fen: 1550 }])
  expect(partsSay(2000, 3)).toBe('2 份 ¥6.67，1 份 ¥6.66')
  expect(partsSay(3100, 2)).toBe('每份 ¥15.50')
  for (const [fen, shares] of [[19, 20], [1, 2]] as const) expect(mostShares(fen)).toBeLessThan(shares)
  expect(mostShares(99_999)).toBe(20)
})

test('a split order says how far its table is, and that it is all or nothing', () => {
  const order = (...bills: Order['bills']) => ({ state: 'placed', payment_state: 'part_paid', expires_at: '2026-11-23T04:20:00Z', bills, discounts: [], refunds: [] }) as unknown as Order
  const at = Date.parse('2026-11-23T04:00:00Z')
  expect(sharing(order(share(2, 'paid'), share(3, 'taken'), share(4)))).toEqual({ all: 3, paid: 1 })
  expect(headline(order(share(2, 'paid'), share(3)), at)).toMatchObject({ label: '2 份付了 1 份', big: '20:00', small: '内没付齐就取消，付过的都退回' })
  expect(headline(order(share(2), share(3)), at)).toMatchObject({ label: '平摊成 2 份', small: '后取消，东西先给你留着' })
  expect(sharing(order({ ...share(1), kind: 'whole' }))).toBeUndefined()
})

test('while others pay all that is left nobody is asked for the whole order', () => {
  expect(nothingOpen({ bills: [share(2, 'paid'), share(3, 'taken')] })).toBe(true)
  expect(nothingOpen({ bills: [share(2, 'paid'), share(3)] })).toBe(false)
  expect(nothingOpen({ bills: [] })).toBe(false)
})

test('a friend is offered what the link names, else what they began, else what is free', () => {
  const it = (bill: number, state: Shares['shares'][number]['state'], mine = false) => ({ bill, amount_fen: 1000, state, mine, back: 'no' as const })
  expect(ownShare([it(2, 'open'), it(3, 'open', true), it(4, 'open')], 4)?.bill).toBe(4)
  expect(ownShare([it(2, 'open'), it(3, 'open', true), it(4, 'paid')], 4)?.bill).toBe(3)
  expect(ownShare([it(2, 'taken'), it(3, 'open')], 2)?.bill).toBe(3)
  expect(ownShare([it(2, 'taken'), it(3, 'paid')], 2)).toBeUndefined()
})

test('what went wrong with a share is told to a friend, not to whoever ordered', () => {
  const said = (code: string) => explainShare(new Problem(410, code, '订单已超时，请重新下单'))
  expect(said('order_expired')).toBe('付款时间过了，你没有被扣钱')
  expect(said('share_taken')).toBe('有人正在付这一份，换一份，或过几分钟再看')
  expect(said('order_already_paid')).toBe('这一份已经有人付了')
  expect(said('order_not_payable')).toBe('这一单不用付了，你没有被扣钱')
  expect(said('too_many_requests')).toBe('订单已超时，请重新下单') // the server's own words for all else
})

test('who paid a share of an order that ended reads first that it comes back, then that it is there', () => {
  const shares = (back: 'no' | 'coming' | 'done') => [{ bill: 2, amount_fen: 1300, state: 'paid' as const, mine: true, back }]
  const view = (state: Shares['state'], back: 'no' | 'coming' | 'done' = 'no') => ({ state, shares: shares(back) } as Shares)
  expect(shareHead(view('open'), false)).toEqual({ title: '你这份付好了', text: '付了 ¥13.00，谢谢' })
  expect(shareHead(view('open'), true)).toBeUndefined()
  expect(shareHead(view('over', 'coming'), false)).toEqual({ title: '正在退款', text: '这一单取消了，你付的 ¥13.00 正在退回给你' })
  expect(shareHead(view('over', 'done'), false)).toEqual({ title: '已退款', text: '这一单取消了，你付的 ¥13.00 退回给你了' })
  expect(shareHead({ state: 'over', shares: [] as Shares['shares'] } as Shares, false)?.text).toContain('没有被扣钱')
})
