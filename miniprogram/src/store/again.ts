/** An old order back into the bag, as far as today's menu allows. */
import type { Menu, Order } from '@/api'
import { lineOf, replaceBag, useStore, type BagLine } from './bag'

/** Fills the bag; returns the names of what is not to be had today. */
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
  replaceBag(lines)
  return missing
}
