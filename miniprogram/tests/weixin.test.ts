// @vitest-environment jsdom
/**
 * Runs the built mini-program itself (dist/dummy, which differs only in its address and appid): WeChat's own WXML compiler and component
 * framework in jsdom, with `wx` replaced by a recorder. `npm run build:dummy` first.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { answers, order, paid, shares, split } from './answers'

const require = createRequire(import.meta.url)
const out = resolve('dist/dummy')
const app = JSON.parse(readFileSync(join(out, 'app.json'), 'utf8')) as { pages: string[]; tabBar: { custom: boolean } }

const reply = (result: object) => vi.fn((o) => setTimeout(() => o.success?.(result)))
const kept = new Map<string, unknown>()
let said: Record<string, unknown> = {}
const wx: Record<string, any> = {
  request: vi.fn((o) => setTimeout(() => {
    const name = `${o.method} ${String(o.url).replace(/^.*\/api\/v1/, '').replace(/\?.*$/, '')}`
    const data = said[name] ?? answers[name]
    const { status = 200 } = (data ?? {}) as { status?: number } // a refusal names its own
    o.success(data ? { statusCode: status, data } : { statusCode: 404, data: { code: 'not_found', detail: name } })
  })),
  login: reply({ code: 'CODE' }),
  getLocation: reply({ latitude: 31.22, longitude: 121.44 }),
  navigateTo: reply({}), redirectTo: reply({}), switchTab: reply({}),
  requestPayment: reply({ errMsg: 'requestPayment:ok' }),
  requestSubscribeMessage: reply({ T1: 'accept' }),
  scanCode: reply({ result: 'http://shop/?table=A06' }),
  getWindowInfo: () => ({ statusBarHeight: 47, windowWidth: 390, safeAreaInsets: { bottom: 34 } }),
  getMenuButtonBoundingClientRect: () => ({ top: 53, left: 296, right: 380, width: 84, height: 32, bottom: 85 }),
  getAccountInfoSync: () => ({ miniProgram: { appId: 'wxa41f0c6d8e2b7593' } }),
  getStorageSync: (key: string) => kept.get(key) ?? '',
  setStorageSync: (key: string, value: unknown) => void kept.set(key, value),
  removeStorageSync: (key: string) => void kept.delete(key),
}

vi.setConfig({ testTimeout: 20_000 })

let simulate: { load(path: string, options: object): string; render(id: string, props?: object): any }
let instance: any
const errors = vi.spyOn(console, 'error')

beforeAll(() => {
  const query = { in: () => query, selectAll: () => query, select: () => query, boundingClientRect: () => query, exec: () => {} }
  wx.createSelectorQuery = () => query
  const stub = new Proxy(wx, { get: (o, key: string) => o[key] ?? (() => ({ SDKVersion: '3.0.0', language: 'zh_CN' })) })
  Object.assign(globalThis, { wx: stub, __wxConfig: {}, App: (o: object) => (instance = o), getApp: () => instance, getCurrentPages: () => [] })
  const utils = require('j-component/src/tool/utils') // it takes every style for a string
  const { transformRpx } = utils
  utils.transformRpx = (style: unknown) => transformRpx(String(style ?? ''))
  simulate = require('miniprogram-simulate')
  Object.assign(globalThis, { Page: (o: object) => (globalThis as any).Component({ ...o, methods: o }) })
  require(join(out, 'app.js'))
  instance.onLaunch?.({})
})
beforeEach(() => {
  document.body.innerHTML = ''
  said = {}
  vi.clearAllMocks()
})
const opened: any[] = []
afterEach(() => { for (const view of opened.splice(0)) view.instance.onUnload?.() })

const settle = (ms = 60) => new Promise((done) => setTimeout(done, ms))

/** Opens a page and waits until it shows `shown`. */
async function open(page: string, query = {}, shown = '') {
  const view = simulate.render(simulate.load(join(out, page), { rootPath: out }))
  opened.push(view)
  view.attach(document.body)
  view.instance.onLoad?.(query)
  view.instance.onShow?.()
  const text = () => (view.dom.textContent as string).replace(/\s+/g, '')
  await vi.waitFor(() => expect(text()).toContain(shown), 8000)
  await settle()
  return {
    text,
    instance: view.instance,
    /** The selectors before the last are of the components that it is in; of several the last is meant. */
    async tap(...selectors: string[]) {
      selectors.reduce((inside, selector) => inside.querySelectorAll(selector).at(-1), view).dispatchEvent('tap')
      await settle()
    },
  }
}

const START: Record<string, object> = { 'pages/menu/menu': { store_id: '1' }, 'pages/order/order': { no: order.no }, 'pages/code/code': { id: '7' }, 'pages/share/share': { token: split.split_token, bill: '4' } }
const SHOWS: Record<string, string> = {
  'pages/home/home': '静安寺店', 'pages/stores/stores': '浦东店', 'pages/menu/menu': '杨枝甘露', 'pages/order/order': '等你付款',
  'pages/orders/orders': '待付款', 'pages/coupons/coupons': '关注见面礼', 'pages/code/code': '4827109356', 'pages/member/member': '银毫会员', 'pages/share/share': '朋友请你付一份',
}
test.each(app.pages)('%s compiles and renders', async (page) => {
  for (const end of ['js', 'json', 'wxml']) expect(existsSync(join(out, `${page}.${end}`))).toBe(true)
  await open(page, START[page] ?? {}, SHOWS[page])
  expect(errors).not.toHaveBeenCalled()
})

test('login, location and the server are WeChat’s own calls', async () => {
  kept.clear()
  await open('pages/home/home', {}, '静安寺店')
  const calls = wx.request.mock.calls.map(([o]: [any]) => o)
  expect(calls.every((o: any) => o.url.includes('/api/v1/'))).toBe(true)
  expect(wx.getLocation).not.toHaveBeenCalled() // no page opens with a question
  expect(calls.find((o: any) => o.url.endsWith('/me')).header.Authorization).toBe('Bearer t')
})

test('an unpaid order is paid with the parameters that the server signed', async () => {
  const page = await open('pages/order/order', { no: order.no }, '等你付款')
  await page.tap('.or-main')
  await vi.waitFor(() => expect(wx.requestPayment).toHaveBeenCalled(), 8000)
  expect(wx.requestPayment.mock.calls[0][0]).toMatchObject({ package: 'prepay_id=x', signType: 'RSA', paySign: 's' })
})

const sent = (name: string) => wx.request.mock.calls.map(([o]: [any]) => o).filter((o: any) => `${o.method} ${String(o.url).replace(/^.*\/api\/v1/, '')}` === name)

test('an unpaid order is split: the sums are shown to the fen before anything is sent', async () => {
  said[`POST /orders/${order.no}/split`] = { ...split, paid_fen: 0, payment_state: 'unpaid', bills: split.bills.map((bill) => ({ ...bill, state: 'open' })) }
  const page = await open('pages/order/order', { no: order.no }, 'AA付款')
  await page.tap('.or-aa', '.to-ask')
  await vi.waitFor(() => expect(page.text()).toContain('分成2份'), 8000)
  await page.tap('.or-aa', '.to-step', '.step-d')
  await vi.waitFor(() => expect(page.text()).toContain('其中1份¥10.34其中2份¥10.33'), 8000)
  expect(sent(`POST /orders/${order.no}/split`)).toEqual([])
  said[`GET /orders/${order.no}`] = said[`POST /orders/${order.no}/split`]
  await page.tap('.or-aa', '.to-go')
  await vi.waitFor(() => expect(page.text()).toContain('3份，已付0份'), 8000)
  expect(sent(`POST /orders/${order.no}/split`)[0].data).toEqual({ shares: 3 })
  expect(page.text()).toContain('取消平摊')
})

test('a split order tells each share’s state and hands on the one that was tapped', async () => {
  said[`GET /orders/${order.no}`] = split
  const page = await open('pages/order/order', { no: order.no }, '3份，已付1份')
  expect(page.text()).toContain('1¥10.34已付2¥10.33待付发给朋友3¥10.33正在付')
  expect(page.text()).not.toContain('取消平摊') // one is paid
  expect(page.text()).toContain('应付¥31.00')
  const path = (target?: object) => page.instance.onShareAppMessage({ from: target ? 'button' : 'menu', target }).path
  expect(path({ dataset: { bill: 3 } })).toBe(`pages/share/share?token=${split.split_token}&bill=3`)
  expect(path()).toBe(`pages/share/share?token=${split.split_token}&bill=3`)
})

test('an order of one bill is never handed on', async () => {
  const page = await open('pages/order/order', { no: order.no }, '等你付款')
  expect(page.instance.onShareAppMessage({ from: 'menu' }).path).toBe('pages/home/home')
})

const asked = { token: split.split_token, bill: '4' }
test('a friend pays the share that the link names', async () => {
  const page = await open('pages/share/share', asked, '付¥10.33')
  expect(page.text()).toContain('¥10.34已付')
  await page.tap('.foot .btn')
  await vi.waitFor(() => expect(wx.requestPayment).toHaveBeenCalled(), 8000)
  expect(wx.requestPayment.mock.calls[0][0]).toMatchObject({ package: 'prepay_id=s' })
  expect(sent(`POST /shares/${split.split_token}/payment`)[0].data).toEqual({ channel: 'wechat', bill: 4 })
  said[`GET /shares/${split.split_token}`] = { ...shares, shares: shares.shares.map((each) => (each.bill === 4 ? { ...each, state: 'paid', mine: true } : each)) }
  await vi.waitFor(() => expect(page.text()).toContain('你这份付好了'), 8000)
  expect(page.text()).toContain('付了¥10.33，谢谢')
})

test('a friend pays with their own balance', async () => {
  said['GET /membership'] = { balance_fen: 5000 }
  said[`POST /shares/${split.split_token}/payment`] = { show: 'done', params: {} }
  const page = await open('pages/share/share', asked, '储值支付')
  await page.tap('.sr-bl', '.bl')
  await vi.waitFor(() => expect(page.text()).toContain('储值支付¥10.33'), 8000)
  await page.tap('.foot .btn')
  await vi.waitFor(() => expect(sent(`POST /shares/${split.split_token}/payment`).map((o: any) => o.data)).toEqual([{ channel: 'balance', bill: 4 }]), 8000)
  expect(wx.requestPayment).not.toHaveBeenCalled()
})

test.each([
  [{ status: 409, code: 'share_taken', detail: 'x' }, '有人正在付这一份'],
  [{ status: 409, code: 'order_already_paid', detail: 'x' }, '这一份已经有人付了'],
  [{ status: 410, code: 'order_expired', detail: 'x' }, '付款时间过了，你没有被扣钱'],
])('a share that cannot be paid says why: %o', async (refusal, words) => {
  said[`POST /shares/${split.split_token}/payment`] = refusal
  const page = await open('pages/share/share', asked, '付¥10.33')
  await page.tap('.foot .btn')
  await vi.waitFor(() => expect(page.text()).toContain(words), 8000)
  expect(wx.requestPayment).not.toHaveBeenCalled()
})

test.each([
  [{ ...shares, state: 'over', expires_at: null, balance_usable: false }, '这一单不用付了'],
  [{ ...shares, state: 'paid', expires_at: null, shares: shares.shares.map((each) => ({ ...each, state: 'paid' })) }, '这一单付齐了'],
  [{ ...shares, shares: shares.shares.map((each, at) => ({ ...each, state: at ? 'taken' : 'paid' })) }, '剩下的有人在付'],
  [{ status: 404, code: 'share_not_found', detail: 'x' }, '这个链接打不开了'],
  [{ status: 503, code: 'unavailable', detail: 'x' }, '你没有被扣钱'],
])('a share that asks for nothing any more says so', async (answer, words) => {
  said[`GET /shares/${split.split_token}`] = answer
  const page = await open('pages/share/share', asked, words)
  expect(page.text()).not.toContain('付¥10.33')
})

test('a ready order shows its number, its steps and asks for no payment', async () => {
  said[`GET /orders/${order.no}`] = paid
  const page = await open('pages/order/order', { no: order.no }, 'A217')
  expect(page.text()).toContain('来柜台取吧')
  expect(page.text()).toContain('¥31.00')
  expect(page.text()).not.toContain('去付款')
})

test('an order that cannot be loaded says what is safe and how to go on', async () => {
  said['GET /orders/1'] = { status: 503, code: 'unavailable', detail: '店里有点忙' }
  const page = await open('pages/order/order', { no: '1' }, '再试一次')
  expect(page.text()).toContain('订单没加载出来别担心，付款不受影响')
})

test('an order of somebody else is not to be found', async () => {
  const page = await open('pages/order/order', { no: '404' }, '没有这张订单')
  expect(page.text()).not.toContain('付款不受影响')
})

test('a coupon redeemed at the counter says so by itself, and where', async () => {
  const coupon = { id: 'c1', name: '见面礼', face_text: '¥8', condition_text: '满 20 可用', scope_text: '全部门店', expires_at: '2026-11-30T15:59:59Z' }
  said['GET /coupons/c1/code'] = { coupon, token: 'LC.1', code: '1234567890123456', code_text: '1234 5678 9012 3456', seconds_left: 50, step_seconds: 60 }
  const page = await open('pages/code/code', { id: 'c1' }, '1234567890123456')
  expect(page.text()).toContain('可使用')
  expect(page.text()).toContain('去点单')
  said['GET /coupons/c1/code'] = { status: 409, code: 'coupon_already_redeemed', detail: '这张券用过了' }
  said['GET /coupons'] = { items: [{ ...coupon, redeemed_at: '2026-10-12T02:00:00Z', store_name: '静安寺店', discount_fen: 800 }], next: null }
  await vi.waitFor(() => expect(page.text()).toContain('已核销'), 8000)
  await settle()
  expect(page.text()).toContain('10月12日10:00在静安寺店用了，省了¥8')
  expect(page.text()).not.toContain('1234567890123456')
  expect(page.text()).not.toContain('去点单')
})

const size = (dir: string): number => readdirSync(dir).reduce((sum, name) => {
  const path = join(dir, name)
  return sum + (statSync(path).isDirectory() ? size(path) : statSync(path).size)
}, 0)
test('the package stays far below WeChat’s limit', () => expect(size(out)).toBeLessThan(1.5 * 1024 * 1024))

test('the only server in the package is the one that the build was told', () => {
  const words = /^https?:\/\/(www\.w3\.org|vuejs\.org|uniapp\.dcloud\.net\.cn)$/ // a name space, and links in two warnings
  const walk = (dir: string): string[] => readdirSync(dir).flatMap((name) => {
    const path = join(dir, name)
    if (statSync(path).isDirectory()) return walk(path)
    return /\.(js|wxml|wxss|json)$/.test(name) ? (readFileSync(path, 'utf8').match(/https?:\/\/[\w.-]+\.\w+/g) ?? []) : []
  })
  expect(walk(out).filter((url) => !words.test(url))).toEqual(['https://dummy.invalid'])
})

test('the first menu is small enough to arrive at once', () => expect(JSON.stringify(answers['GET /stores/1/menu']).length).toBeLessThan(100 * 1024))

test('the list of stores is sorted by where the customer said they are', async () => {
  await open('pages/stores/stores', {}, '320m')
  const urls = wx.request.mock.calls.map(([o]: [any]) => String(o.url)).filter((url: string) => url.includes('/stores?'))
  expect(urls.at(-1)).toContain('lat=31.22')
})
