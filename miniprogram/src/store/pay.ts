/** Paying an order that is already placed, or a share of somebody else's. */
import { platform } from '@platform'
import { reactive } from 'vue'
import { getOrder, getPayment, getShares, payShare, type Order, type PaymentBody, type PaymentShown, type Shares } from '@/api'
import { attempt } from '@/lib/attempt'
import { due } from '@/lib/paying'
import { storage } from '@/lib/storage'
import { Refused, type PayParams } from '@/platform/types'
import { payAtTill } from './till'

/** `unsure`: WeChat took it, the server has not heard yet; nobody should pay again. `left`: somebody went
 * over to a channel's page and came back by the browser's own button. */
export type Outcome = 'paid' | 'cancelled' | 'unsure' | 'left'

/** One sum that somebody pays now, whoever's order it is of. */
export interface Owed {
  /** Names it in what this phone remembers. */
  name: string
  fen: number
  bill?: number
  open(how: PaymentBody, key?: string): Promise<PaymentShown>
  isPaid(): Promise<boolean>
  /** Before the browser goes over to a channel's page. */
  leaving?(): void
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))
/** All of it is paid, or the bill that was: of several the next one is asked for then. */
export const settled = (order: Order, bill?: number) =>
  order.state === 'cancelled' || (order.payment_state !== 'unpaid' && order.payment_state !== 'part_paid') || order.bills.some((each) => each.bill === bill && each.state === 'paid')

/** What of an order is paid next. */
export function owedOf(order: Pick<Order, 'no' | 'payable_fen' | 'bills'>): Owed {
  const { bill, fen } = due(order)
  return {
    name: order.no,
    fen,
    bill,
    open: (how, key) => getPayment(order.no, { ...how, ...(bill ? { bill } : {}) }, key),
    isPaid: async () => settled(await getOrder(order.no), bill),
  }
}

/** A share, by the link that came from a friend. */
export const owedShare = (token: string, { bill, amount_fen: fen }: Shares['shares'][number]): Owed => ({
  name: shareName(token, bill),
  fen,
  bill,
  open: (how, key) => payShare(token, { ...how, bill }, key),
  isPaid: async () => {
    const now = await getShares(token)
    return now.state !== 'open' || now.shares.some((each) => each.bill === bill && each.state === 'paid')
  },
  leaving: () => storage.set('share.left', { token, bill } satisfies Link),
})
/** What a share's page was opened with. No channel is told the token: whoever comes back from its page is
 * led here without, and gets what this browser went away to pay. */
export function linkOf({ token, bill }: { token?: string; bill?: string } = {}): Link {
  if (token) return { token, bill: Number(bill) || 0 }
  return storage.get<Link>('share.left') ?? { token: '', bill: 0 }
}
interface Link { token: string; bill: number }
export const shareName = (token: string, bill: number) => `${token}.${bill}`

/** What is being confirmed, and until when nobody should pay it again. */
const unsure = reactive<Record<string, number>>(storage.get('unsure') ?? {})
const SURE_AFTER_MS = 60_000
export const isUnsure = (name: string, now = Date.now()) => (unsure[name] ?? 0) > now
function remember(name: string) {
  const now = Date.now()
  for (const [other, until] of Object.entries(unsure)) if (until < now) delete unsure[other]
  unsure[name] = now + SURE_AFTER_MS
  storage.set('unsure', unsure)
}

/** `balanceFen` of it come from the stored balance, which may be all. */
export async function pay(owed: Owed, balanceFen = 0): Promise<Outcome> {
  if (owed.fen === 0) return 'paid'
  const whole = balanceFen >= owed.fen
  if (platform.alone() && !whole) return payAtTill(owed, balanceFen)
  const how: PaymentBody = whole ? { channel: 'balance' } : { channel: 'wechat', ...(balanceFen ? { balance_fen: balanceFen } : {}) }
  const once = attempt(`pay.${owed.name}`, { name: owed.name, bill: owed.bill, ...how })
  const { show, params } = await owed.open(how, once.key)
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
    if (await owed.isPaid().catch(() => false)) return 'paid'
  }
  remember(owed.name)
  return 'unsure'
}
