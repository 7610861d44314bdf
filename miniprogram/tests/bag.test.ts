import { beforeEach, expect, test } from 'vitest'
import type { Menu, Order, Product } from '@/api'
import { again } from '@/store/again'
import * as store from '@/store/bag'
import { fakeUni } from './fake'

const { bag } = store
const product = (id: string, price: number, extra: Partial<Product> = {}): Product => ({
  id, name: `茶${id}`, description: '', image: '', kind: 'drink', badges: [], price_fen: price, state: 'on',
  skus: [{ sku_id: `${id}1`, name: '中杯', price_fen: price, stock: null, state: 'on' }],
  option_groups: [{ id: 'g', name: '甜度', kind: 'single', min: 1, max: 1, options: [
    { id: 'o1', name: '七分糖', price_fen: 0, state: 'on' }, { id: 'o2', name: '加糖', price_fen: 100, state: 'on' }] }],
  ...extra,
})
const tea = product('1', 2200)
const line = (of: Product, option = 0, quantity = 1) => store.lineOf(of, of.skus[0]!, [of.option_groups[0]!.options[option]!], quantity)

beforeEach(() => {
  fakeUni()
  store.restoreBag()
  store.useStore('s')
})

test('the same choice is one line, another choice is another', () => {
  store.add(line(tea))
  store.add(line(tea))
  store.add(line(tea, 1))
  expect(bag.lines.map((each) => [each.words, each.quantity])).toEqual([['中杯 / 七分糖', 2], ['中杯 / 加糖', 1]])
  expect([bag.count, bag.goodsFen, store.countOf('1')]).toEqual([3, 6700, 3])
  expect(bag.items[0]).toEqual({ sku_id: '11', quantity: 2, options: ['o1'] })
})

test('zero takes a line out and undo puts it back where it was', () => {
  store.add(line(tea))
  store.add(line(product('2', 900)))
  const first = bag.lines[0]!
  store.setQuantity(first.key, 0)
  expect(bag.count).toBe(1)
  store.putBack(first, 0)
  expect(bag.lines[0]!.key).toBe(first.key)
})

test('every store has its own bag, and a restart brings it back', () => {
  store.add(line(tea))
  store.useStore('other')
  expect(bag.count).toBe(0)
  store.restoreBag()
  store.useStore('s')
  expect(bag.count).toBe(1)
})

test('nobody takes more than the server allows', () => {
  store.add(line(tea, 0, 200))
  store.add(line(tea, 0, 200))
  expect(bag.count).toBe(store.MOST)
})

test('when a few are left, the last lines give way', () => {
  store.add(line(tea, 0, 2))
  store.add(line(tea, 1, 2))
  store.add(line(product('2', 900)))
  store.limitSku('11', 3)
  expect(bag.lines.map((each) => each.quantity)).toEqual([2, 1, 1])
  store.limitSku('11', 0)
  expect(bag.lines.map((each) => each.skuId)).toEqual(['21'])
})

test('an old order comes back as far as today’s menu allows', () => {
  const gone = product('3', 500, { skus: [{ sku_id: '31', name: '', price_fen: 500, stock: 0, state: 'on' }] })
  const menu: Menu = { store_id: 's', categories: [{ id: 'c', name: '', products: [product('1', 2400), gone] }] }
  const ordered = (id: string, name: string) => ({ product_id: id, sku_id: `${id}1`, name, quantity: 2, options: [{ id: 'o1' }] })
  const order = { lines: [ordered('1', '茶1'), ordered('3', '茶3')] } as unknown as Order
  expect(again(order, menu)).toEqual(['茶3'])
  expect(bag.goodsFen).toBe(4800) // today's price

  store.add(line(product('2', 900)))
  again(order, menu)
  expect(bag.lines.map((each) => [each.skuId, each.quantity])).toEqual([['11', 4], ['21', 1]]) // what lay there stays
})

test('what lies in the bag follows the menu’s price', () => {
  store.add(line(tea, 1, 2))
  store.add(line(product('2', 900)))
  const kept = bag.items
  store.reprice({ store_id: 's', categories: [{ id: 'c', name: '', products: [tea] }] })
  expect(bag.items).toBe(kept) // nothing moved, so nothing is asked again
  store.reprice({ store_id: 's', categories: [{ id: 'c', name: '', products: [product('1', 2500)] }] })
  expect(bag.lines.map((each) => each.unitFen)).toEqual([2600, 900])
  expect(bag.items).not.toBe(kept)
})
