/** Paying in a browser with no WeChat around it: one of the shop's channels, on the channel's page or by its QR. */
import { platform } from '@platform'
import { loadConfig, shop } from './shop'
import { ui, type Choice } from './ui'
import type { Outcome, Owed } from './pay'

const WAYS: Record<string, { phone: Choice['way'][]; desk: Choice['way'][] }> = {
  wechat: { phone: ['h5', 'native'], desk: ['native'] },
  alipay: { phone: ['wap', 'page'], desk: ['page', 'wap'] },
  unionpay: { phone: ['wap', 'page'], desk: ['page', 'wap'] },
}
const LOOK_MS = 2000

/** What this shop takes on this kind of screen, one way a channel. */
export function choices(payments: { channel: string; ways: string[] }[], phone: boolean): Choice[] {
  return payments.flatMap(({ channel, ways }) => {
    const way = WAYS[channel]?.[phone ? 'phone' : 'desk'].find((each) => ways.includes(each))
    return way ? [{ channel: channel as Choice['channel'], way }] : []
  })
}

const isPhone = () => matchMedia('(pointer: coarse)').matches || innerWidth < 700

/** `balanceFen` of it come from the stored balance, the rest from a channel. */
export async function payAtTill(owed: Owed, balanceFen: number): Promise<Outcome> {
  if (!shop.config) await loadConfig()
  const found = choices(shop.config?.payments ?? [], isPhone())
  const choice = await new Promise<Choice | undefined>((answer) => {
    ui.till = { fen: owed.fen - balanceFen, choices: found, qr: '', answer }
  })
  try {
    if (!choice) return 'cancelled'
    const { show, params } = await owed.open({ ...choice, ...(balanceFen ? { balance_fen: balanceFen } : {}) })
    if (show === 'redirect' || show === 'form') {
      owed.leaving?.()
      await platform.leave(show, params)
      return 'left'
    }
    return show === 'qr' ? await scanned(owed, params.code_url ?? '') : 'unsure'
  } finally {
    ui.till = undefined
  }
}

/** Shows the code until it is paid, or closed. */
async function scanned(owed: Owed, qr: string): Promise<Outcome> {
  let open = true
  ui.till = { fen: 0, choices: [], ...ui.till, qr, answer: () => { open = false } }
  while (open) {
    await new Promise((done) => setTimeout(done, LOOK_MS))
    if (await owed.isPaid().catch(() => false)) return 'paid'
  }
  return 'cancelled'
}
