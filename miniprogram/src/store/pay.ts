/** Paying an order that is already placed. */
import { platform } from '@platform'
import { reactive } from 'vue'
import { getOrder, getPayment, type Order } from '@/api'
import { attempt } from '@/lib/attempt'
import { due } from '@/lib/paying'
import { storage } from '@/lib/storage'
import { Refused, type PayParams } from '@/platform/types'
import { payAtTill } from './till'

/** `unsure`: WeChat took it, the server has not heard yet; nobody should pay again. `left`: somebody went
 * over to a channel's page and came back by the browser's own button. */
export type Outcome = 'paid' | 'cancelled' | 'unsure' | 'left'

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))
/** All of it is paid, or the bill that was: of several the next one is asked for then. */
export const settled = (order: Order, bill?: number) =>
  order.state === 'cancelled' || (order.payment_state !== 'unpaid' && order.payment_state !== 'part_paid') || order.bills.some((each) => each.bill === bill && each.state === 'paid')

/** Orders whose payment is being confirmed, and until when nobody should pay them again. */
const unsure = reactive<Record<string, number>>(storage.get('unsure') ?? {})
const SURE_AFTER_MS = 60_000
export const isUnsure = (no: string, now = Date.now()) => (unsure[no] ?? 0) > now
function remember(no: string) {
  const now = Date.now()
  for (const [other, until] of Object.entries(unsure)) if (until < now) delete unsure[other]
  unsure[no] = now + SURE_AFTER_MS
  storage.set('unsure', unsure)
}

/** `balanceFen` of it come from the stored balance, which may be all. */
export async function pay(order: Pick<Order, 'no' | 'payable_fen' | 'bills'>, balanceFen = 0): Promise<Outcome> {
  if (order.payable_fen === 0) return 'paid'
  const { bill, fen } = due(order)
  const whole = balanceFen >= fen
  if (platform.alone() && !whole) return payAtTill(order, balanceFen)
  const how = { ...(bill ? { bill } : {}), ...(whole ? { channel: 'balance' as const } : { channel: 'wechat' as const, ...(balanceFen ? { balance_fen: balanceFen } : {}) }) }
  const once = attempt(`pay.${order.no}`, { no: order.no, ...how })
  const { show, params } = await getPayment(order.no, how, once.key)
  once.done()
  if (show === 'done') return 'paid'
  try {
    // what a sheet comes with is what the platform takes
    await platform.pay(params as unknown as PayParams)
  } catch (error) {
    if (error instanceof Refused && /cancel/.test(error.message)) return 'cancelled'
    throw error
  }
  for (const wait of [300, 700, 1000]) {
    await pause(wait)
    const now = await getOrder(order.no).catch(() => undefined)
    if (now && settled(now, bill)) return 'paid'
  }
  remember(order.no)
  return 'unsure'
}
