/** A package that cannot work is not built: it would only be noticed after upload and review. */
import { expect, test } from 'vitest'
import { complain, release } from '../tools/release'

const own = { VITE_API_BASE: 'https://shop.qinghe.cn', VITE_APPID: 'wx1a2b3c4d5e6f7a8b' }
const named = (lines: string[]) => lines.map((line) => (/VITE_API_BASE 要填/.test(line) ? 'address' : /appid 没填/.test(line) ? 'appid' : 'how'))

test('an address and an appid of one’s own are enough', () => {
  expect(complain(release(own, 'touristappid'))).toEqual([])
  expect(complain(release({ ...own, VITE_API_BASE: 'https://qinghe.cn/shop' }, 'touristappid'))).toEqual([])
})

test('the appid may stand in the manifest; the environment goes first', () => {
  expect(release({ ...own, VITE_APPID: '' }, 'wxffffffffffffffff').appid).toBe('wxffffffffffffffff')
  expect(release(own, 'wxffffffffffffffff').appid).toBe('wx1a2b3c4d5e6f7a8b')
})

test.each([undefined, '', 'http://shop.qinghe.cn', 'https://shop.qinghe.cn/', 'shop.qinghe.cn', 'https://shop.example.com'])('the address %s is refused', (address) => {
  expect(named(complain(release({ ...own, VITE_API_BASE: address }, '')))).toEqual(['address', 'how'])
})

test.each(['', 'touristappid', 'wx123'])('the appid “%s” is refused', (appid) => {
  expect(named(complain(release({ ...own, VITE_APPID: undefined }, appid)))).toEqual(['appid', 'how'])
})

test('both are missing as the code comes', () => {
  expect(named(complain(release({}, 'touristappid')))).toEqual(['address', 'appid', 'how'])
})
