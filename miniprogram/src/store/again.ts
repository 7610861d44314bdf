/** An old order back into the bag, as far as today's menu allows. */
import { explain, getMenu, type Menu, type Order } from '@/api'
import { go, page } from '@/lib/router'
import { add, lineOf, useStore, type BagLine } from './bag'
import { toast } from './ui'

/** Adds to the bag, which may hold something already; returns the names of what is not to be had today. */
export function again(order: Order, menu: Menu): string[] {
  const products = menu.categories.flatMap((category) => category.products)
  const lines: BagLine[] = []
  const missing: string[] = []
  for (const line of order.lines) {
    const product = products.find((each) => each.id === line.product_id)
    const sku = product?.skus.find((each) => each.sku_id === line.sku_id && each.state === 'on' && each.stock !== 0)
    const all = product?.option_groups.flatMap((group) => group.options) ?? []
    const options = line.options.map(({ id }) => all.find((option) => option.id === id && option.state === 'on'))
    if (product && sku && options.every((option) => option !== undefined)) {
      lines.push(lineOf(product, sku, options, line.quantity))
    } else missing.push(line.name)
  }
  useStore(menu.store_id)
  lines.forEach(add)
  return missing
}

let busy = false

/** The same again: into the bag, and to the menu of its store. Says what is missing, and what went wrong. */
export async function orderAgain(find: () => Promise<Order>) {
  if (busy) return
  busy = true
  try {
    const order = await find()
    const missing = again(order, await getMenu(order.store.id))
    const all = missing.length === order.lines.length
    if (missing.length) toast(all ? '这一单的现在都没有，看看别的' : `${missing[0]}现在没有，其他放好了`)
    void go(page('menu', { store_id: order.store.id }))
  } catch (error) {
    toast(explain(error))
  } finally {
    busy = false
  }
}
