// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from 'vitest'
import { codeOf, leave, restorePage } from '@/platform/web'
import { choices } from '@/store/till'

const keep = (state: string, hash: string) => sessionStorage.setItem('linli.login', JSON.stringify({ state, hash }))

beforeEach(() => {
  sessionStorage.clear()
  history.replaceState(null, '', '/m/')
})

test('the code counts once, and only for the log-in that this browser asked for', () => {
  history.replaceState(null, '', '/m/?code=abc&state=mine')
  expect(codeOf()).toBeUndefined() // nobody asked
  keep('other', '')
  expect(codeOf()).toBeUndefined()
  keep('mine', '#/pages/order/order?no=1')
  expect(codeOf()).toBe('abc')
  expect(location.pathname + location.search + location.hash).toBe('/m/#/pages/order/order?no=1')
  expect(codeOf()).toBeUndefined()
})

test('whoever comes back from the log-in gets their page again', () => {
  keep('mine', '#/pages/orders/orders')
  restorePage()
  expect(location.hash).toBe('')
  history.replaceState(null, '', '/m/?code=abc&state=mine')
  restorePage()
  expect(location.hash).toBe('#/pages/orders/orders')
})

test('a form carries every field to the channel, and no address', () => {
  const submit = vi.spyOn(HTMLFormElement.prototype, 'submit').mockImplementation(() => {})
  void leave('form', { url: 'https://gateway.test/front', orderId: 'P1', signature: 'a+b=' })
  const form = submit.mock.instances[0] as unknown as HTMLFormElement
  expect([form.method, form.action]).toEqual(['post', 'https://gateway.test/front'])
  const fields = Array.from(form.querySelectorAll('input'), (each) => [each.type, each.name, each.value])
  expect(fields).toEqual([['hidden', 'orderId', 'P1'], ['hidden', 'signature', 'a+b=']])
})

test('one way a channel, the one that fits the screen', () => {
  const all = [
    { channel: 'wechat', ways: ['jsapi', 'mini', 'native'] },
    { channel: 'alipay', ways: ['page', 'wap'] },
    { channel: 'unionpay', ways: ['wap'] },
  ]
  expect(choices(all, true)).toEqual([
    { channel: 'wechat', way: 'native' }, { channel: 'alipay', way: 'wap' }, { channel: 'unionpay', way: 'wap' },
  ])
  expect(choices(all, false).map((each) => each.way)).toEqual(['native', 'page', 'wap'])
  expect(choices([{ channel: 'wechat', ways: ['mini'] }], true)).toEqual([])
})
