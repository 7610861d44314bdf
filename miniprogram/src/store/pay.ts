/** Paying an order that is already placed. */
import { platform } from '@platform'
import { getOrder, getPayment, type Order } from '@/api'
import { attempt } from '@/lib/attempt'
import { Refused, type PayParams } from '@/platform/types'

/** `unsure`: WeChat took it, the server has not heard yet; nobody should pay again. */
export type Outcome = 'paid' | 'cancelled' | 'unsure'

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))
const settled = (order: Order) => order.payment_state !== 'unpaid' || order.state === 'cancelled'

export async function pay(order: Pick<Order, 'no' | 'payable_fen'>): Promise<Outcome> {
  if (order.payable_fen === 0) return 'paid'
  const once = attempt(`pay.${order.no}`, { no: order.no })
  const { params } = await getPayment(order.no, once.key)
  once.done()
  try {
    await platform.pay(params as unknown as PayParams)
  } catch (error) {
    if (error instanceof Refused && /cancel/.test(error.message)) return 'cancelled'
    throw error
  }
  for (const wait of [300, 700, 1000]) {
    await pause(wait)
    const now = await getOrder(order.no).catch(() => undefined)
    if (now && settled(now)) return 'paid'
  }
  return 'unsure'
}
