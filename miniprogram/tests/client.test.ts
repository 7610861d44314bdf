import { beforeEach, expect, test, vi } from 'vitest'
import * as api from '@/api'
import { call, enter, net, query } from '@/api/client'
import { explain, Offline, Problem } from '@/api/problem'
import { attempt } from '@/lib/attempt'
import { platform } from '@platform'
import { fakeUni } from './fake'

let phone: ReturnType<typeof fakeUni>
let codes = 0
const session = (token: string) => ({ statusCode: 201, data: { token } })
const problem = (statusCode: number, code: string, detail = '') => ({ statusCode, data: { code, detail, request_id: 'r1' } })

beforeEach(async () => {
  phone = fakeUni()
  vi.spyOn(platform, 'ready').mockResolvedValue({ appid: 'wx1', apiBase: '', frame: {} as never })
  vi.spyOn(platform, 'login').mockImplementation(async () => `code-${++codes}`)
  phone.replies.push(session('first'))
  await enter(true)
  phone.sent.length = 0
})

test('calls carry the token, the key and JSON', async () => {
  phone.replies.push({ statusCode: 201, data: { no: '1' } })
  expect(await call('POST', '/orders', { data: { a: 1 }, key: 'k' })).toEqual({ no: '1' })
  expect(phone.sent[0]).toMatchObject({
    url: '/api/v1/orders', method: 'POST', data: { a: 1 },
    header: { Authorization: 'Bearer first', 'Idempotency-Key': 'k', 'Content-Type': 'application/json' },
  })
})

test('a refused token is replaced by a new login, once', async () => {
  phone.replies.push(problem(401, 'not_logged_in'), session('second'), { statusCode: 200, data: 'me' })
  expect(await call('GET', '/me')).toBe('me')
  expect(phone.sent.map(({ url, header }) => [url, header.Authorization])).toEqual([
    ['/api/v1/me', 'Bearer first'], ['/api/v1/sessions', undefined], ['/api/v1/me', 'Bearer second'],
  ])
  phone.replies.push(problem(401, 'x'), session('third'), problem(401, 'not_logged_in', '请先登录'))
  await expect(call('GET', '/me')).rejects.toMatchObject({ status: 401 })
})

test('many callers share one login', async () => {
  const before = codes
  phone.replies.push(problem(401, 'x'), problem(401, 'x'), session('second'), { statusCode: 200, data: 1 }, { statusCode: 200, data: 2 })
  await Promise.all([call('GET', '/a'), call('GET', '/b')])
  expect(codes).toBe(before + 1)
})

test('an answer that says no becomes a problem in words', async () => {
  phone.replies.push(problem(409, 'out_of_stock', '糯珍珠刚卖完'))
  const error = await call('POST', '/orders', { data: {} }).catch((each: unknown) => each)
  expect(error).toBeInstanceOf(Problem)
  expect(error).toMatchObject({ status: 409, code: 'out_of_stock', requestId: 'r1' })
  expect(explain(error)).toBe('糯珍珠刚卖完')
  expect(explain(new Problem(503, 'x', ''))).toBe('店里有点忙，请稍后再试')
})

test('no answer is something else, and the next answer ends it', async () => {
  phone.replies.push(new Error('request:fail timeout'), { statusCode: 200, data: [] })
  await expect(call('GET', '/stores', { open: true })).rejects.toBeInstanceOf(Offline)
  expect(net.down).toBe(true)
  await call('GET', '/stores', { open: true })
  expect(net.down).toBe(false)
})

test('a query leaves out what is not there', () => {
  expect(query({ lat: 31.2, q: '静安', cursor: undefined, x: '' })).toBe('?lat=31.2&q=%E9%9D%99%E5%AE%89')
  expect(query({})).toBe('')
})

test('the key of a checkout stays until the order is known', () => {
  const first = attempt('order', { items: [1] })
  expect(attempt('order', { items: [1] }).key).toBe(first.key)
  expect(attempt('order', { items: [1, 2] }).key).not.toBe(first.key)
  const again = attempt('order', { items: [1] })
  again.done()
  expect(attempt('order', { items: [1] }).key).not.toBe(again.key)
  expect(first.key).toMatch(/^[\x21-\x7e]{8,128}$/)
})

test('every call uses a method that wx.request has', async () => {
  const calls = Object.entries(api).filter(([, each]) => typeof each === 'function' && !/^(explain|Offline|Problem)$/.test(each.name))
  for (const [, each] of calls) {
    phone.replies.push({ statusCode: 200, data: {} })
    await (each as (...values: unknown[]) => Promise<unknown>)('1', 'k', 'k')
  }
  expect(phone.sent.length).toBeGreaterThan(15)
  const known = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT']
  expect(phone.sent.map(({ method }) => method).filter((method) => !known.includes(method))).toEqual([])
})
