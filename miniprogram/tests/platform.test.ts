import { beforeEach, expect, test, vi } from 'vitest'
import { Bridge } from '@/platform/bridge'
import { frameOf } from '@/platform/browser'
import { Refused } from '@/platform/types'
import { scanTable, shop, tableCode } from '@/store/shop'
import { ui } from '@/store/ui'
import { parse } from '@/lib/router'
import { platform } from '@platform'
import { fakeUni } from './fake'

const ORIGIN = 'http://phone.test'
let listener: (event: object) => void
const phone = { postMessage: vi.fn() }
const page = { addEventListener: (_: string, each: typeof listener) => { listener = each }, setTimeout: (run: () => void, ms: number) => setTimeout(run, ms) }
let bridge: Bridge
const say = (data: object, origin = ORIGIN, source: unknown = phone) => listener({ data, origin, source })

beforeEach(() => {
  vi.clearAllMocks()
  bridge = new Bridge(page as never, phone as never, ORIGIN)
})

test('a call goes to the phone’s origin and its answer comes back', async () => {
  const code = bridge.call<{ code: string }>('login')
  expect(phone.postMessage).toHaveBeenCalledWith({ linli: 1, id: 1, call: 'login', args: {} }, ORIGIN)
  say({ linli: 1, id: 1, ok: true, result: { code: 'c' } })
  expect(await code).toEqual({ code: 'c' })
})

test('what comes from elsewhere is not heard', async () => {
  const heard = vi.fn()
  void bridge.call('login').then(heard, heard)
  bridge.on('navigate', heard)
  const answer = { linli: 1, id: 1, ok: true, result: { code: 'evil' } }
  say(answer, 'http://evil.test')
  say(answer, ORIGIN, {})
  say({ ...answer, linli: 2 })
  say({ linli: 1, event: 'navigate', path: '/pages/home/home' }, 'http://evil.test')
  await Promise.resolve()
  expect(heard).not.toHaveBeenCalled()
})

test('a refusal carries WeChat’s words; silence is a refusal too', async () => {
  const paid = bridge.call('pay')
  say({ linli: 1, id: 1, ok: false, error: { errMsg: 'requestPayment:fail cancel', errCode: -1 } })
  await expect(paid).rejects.toThrow(new Refused('requestPayment:fail cancel'))
  await expect(bridge.call('hello', {}, 5)).rejects.toThrow('hello:fail timeout')
})

test('the phone opens pages', () => {
  const open = vi.fn()
  bridge.on('navigate', open)
  say({ linli: 1, event: 'navigate', path: '/pages/coupons/coupons' })
  expect(open.mock.calls[0]![0].path).toBe('/pages/coupons/coupons')
})

test('the page leaves room for what the phone draws', () => {
  const menuButton = { top: 53, left: 296, right: 380, width: 84, height: 32 }
  expect(frameOf({ systemInfo: { statusBarHeight: 47, screenWidth: 390, safeBottom: 34, menuButton } })).toEqual({
    statusBar: 47, capsule: 94, capsuleTop: 53, capsuleHeight: 32, safeBottom: 34,
  })
  expect(frameOf({})).toMatchObject({ statusBar: 0, capsule: 0, safeBottom: 0 })
})

test('tables and addresses are read from what is scanned or sent', () => {
  expect(['http://x/m/#/pages/menu/menu?store_id=1&table=A06', 'pages/menu/menu?table=A06', 'pages/menu/menu?scene=A06'].map(tableCode)).toEqual(Array(3).fill('A06'))
  expect(parse('pages/order/order?no=1&x=%E8%8C%B6')).toEqual({ path: '/pages/order/order', values: { no: '1', x: '茶' } })
})

test('a table’s printed code is asked of the server, a page’s address is read here', async () => {
  const wechat = fakeUni()
  vi.spyOn(platform, 'ready').mockResolvedValue({ appid: 'wx1', apiBase: '', frame: {} as never })
  const scan = vi.spyOn(platform, 'scan')
  const answer = { statusCode: 200, data: { store: { id: '7' }, table: { code: 'A06', name: '6 号桌' } } }

  scan.mockResolvedValueOnce('http://weixin.qq.com/q/02AbCd')
  wechat.replies.push(answer)
  expect(await scanTable()).toBe(true)
  expect(wechat.sent.pop()!.url).toBe('/api/v1/tables?qr=http%3A%2F%2Fweixin.qq.com%2Fq%2F02AbCd')
  expect([shop.store?.id, shop.mode, shop.table?.name]).toEqual(['7', 'dine_in', '6 号桌'])

  scan.mockResolvedValueOnce('pages/menu/menu?table=A06')
  wechat.replies.push(answer)
  expect(await scanTable()).toBe(true)
  expect(wechat.sent.pop()!.url).toBe('/api/v1/tables/A06')

  scan.mockResolvedValueOnce('https://example.com/')
  wechat.replies.push({ statusCode: 404, data: { code: 'table_not_found', detail: '没有这张桌子' } })
  expect(await scanTable()).toBe(false)
  expect(ui.toast).toContain('不是桌码')
})
