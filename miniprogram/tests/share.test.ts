import { beforeEach, expect, test, vi } from 'vitest'
import { fakeUni } from './fake'

vi.mock('@platform', () => ({
  platform: { space: '', ready: async () => ({ appid: '', apiBase: '' }), alone: () => true, leave: vi.fn(async () => {}) },
}))
vi.stubGlobal('matchMedia', () => ({ matches: true }))

const TOKEN = 'S7M4K2'
const share = { bill: 3, amount_fen: 1250, state: 'open' as const, mine: false, back: 'no' as const }
let fake: ReturnType<typeof fakeUni>

beforeEach(() => {
  vi.resetModules()
  fake = fakeUni()
  fake.kept.set('linli.token', '"t"')
})

/** The friend pays their share with the first channel that the shop takes. */
async function goOver() {
  const { owedShare, pay } = await import('@/store/pay')
  const { shop } = await import('@/store/shop')
  const { ui } = await import('@/store/ui')
  const { platform } = await import('@platform')
  shop.config = { payments: [{ channel: 'alipay', ways: ['wap'] }] } as typeof shop.config
  fake.replies.push({ statusCode: 200, data: { show: 'redirect', params: { url: 'https://cashier.test/' } } })
  let keptWhenLeaving = ''
  vi.mocked(platform.leave).mockImplementation(async () => { keptWhenLeaving = fake.kept.get('linli.share.left') ?? '' })
  const paying = pay(owedShare(TOKEN, share))
  await vi.waitFor(() => expect(ui.till?.choices).toHaveLength(1))
  ui.till!.answer(ui.till!.choices[0])
  return { outcome: await paying, keptWhenLeaving }
}

test('whose share it is stays in this browser, and is there when it comes back without a token', async () => {
  const { outcome, keptWhenLeaving } = await goOver()
  expect([outcome, JSON.parse(keptWhenLeaving)]).toEqual(['left', { token: TOKEN, bill: 3 }])

  vi.resetModules() // the browser loads the page anew
  const { linkOf } = await import('@/store/pay')
  expect(linkOf({})).toEqual({ token: TOKEN, bill: 3 })
  expect(linkOf()).toEqual({ token: TOKEN, bill: 3 })
})

test('the link that a friend sends counts before what was kept', async () => {
  await goOver()
  const { linkOf } = await import('@/store/pay')
  expect(linkOf({ token: 'SOTHER', bill: '5' })).toEqual({ token: 'SOTHER', bill: 5 })
  expect(linkOf({ token: 'SOTHER' })).toEqual({ token: 'SOTHER', bill: 0 })
})

test('a browser that went nowhere has no link', async () => {
  const { linkOf } = await import('@/store/pay')
  expect(linkOf({})).toEqual({ token: '', bill: 0 })
})
