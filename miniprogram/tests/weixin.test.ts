// @vitest-environment jsdom
/**
 * Runs the built mini-program itself (dist/dummy, which differs only in its address and appid): WeChat's own WXML compiler and component
 * framework in jsdom, with `wx` replaced by a recorder. `npm run build:dummy` first.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { answers, order, paid } from './answers'

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
    async tap(selector: string) {
      view.querySelector(selector).dispatchEvent('tap')
      await settle()
    },
  }
}

const START: Record<string, object> = { 'pages/menu/menu': { store_id: '1' }, 'pages/order/order': { no: order.no }, 'pages/code/code': { id: '7' } }
const SHOWS: Record<string, string> = {
  'pages/home/home': '静安寺店', 'pages/stores/stores': '浦东店', 'pages/menu/menu': '杨枝甘露', 'pages/order/order': '等你付款',
  'pages/orders/orders': '待付款', 'pages/coupons/coupons': '关注见面礼', 'pages/code/code': '4827109356', 'pages/member/member': '银毫会员',
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
