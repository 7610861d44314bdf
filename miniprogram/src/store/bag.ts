/** What the customer chose, kept per store and per person until it is ordered. */
import { computed, reactive } from 'vue'
import type { CartItem, Menu, Option, Product, Sku } from '@/api'
import { storage } from '@/lib/storage'

export interface BagLine {
  key: string
  productId: string
  skuId: string
  name: string
  image: string
  /** '中杯 / 少冰 / 七分糖' */
  words: string
  options: string[]
  unitFen: number
  quantity: number
}

type Bags = Record<string, BagLine[]>
const state = reactive({ store: '', bags: {} as Bags })
const lines = computed(() => state.bags[state.store] ?? [])

/** At most this many of one kind, as the server has it. */
export const MOST = 99

export const bag = reactive({
  lines,
  count: computed(() => lines.value.reduce((sum, line) => sum + line.quantity, 0)),
  goodsFen: computed(() => lines.value.reduce((sum, line) => sum + line.quantity * line.unitFen, 0)),
  items: computed<CartItem[]>(() =>
    lines.value.map((line) => ({ sku_id: line.skuId, quantity: line.quantity, options: line.options }))),
})

export function restoreBag() {
  state.bags = storage.get<Bags>('bags') ?? {}
}

export function useStore(id: string) {
  state.store = id
}

const save = (next: BagLine[]) => {
  state.bags[state.store] = next
  storage.set('bags', state.bags)
}

export function lineOf(product: Product, sku: Sku, options: Option[], quantity = 1): BagLine {
  const ids = options.map((option) => option.id)
  return {
    key: [sku.sku_id, ...[...ids].sort()].join('+'),
    productId: product.id,
    skuId: sku.sku_id,
    name: product.name,
    image: product.image,
    words: [sku.name, ...options.map((option) => option.name)].filter(Boolean).join(' / '),
    options: ids,
    unitFen: sku.price_fen + options.reduce((sum, option) => sum + option.price_fen, 0),
    quantity,
  }
}

export function add(line: BagLine) {
  const same = lines.value.find((each) => each.key === line.key)
  if (same) setQuantity(line.key, same.quantity + line.quantity)
  else save([...lines.value, { ...line }])
}

/** Zero takes the line out. */
export function setQuantity(key: string, quantity: number) {
  const wanted = Math.min(quantity, MOST)
  save(wanted > 0
    ? lines.value.map((line) => (line.key === key ? { ...line, quantity: wanted } : line))
    : lines.value.filter((line) => line.key !== key))
}

/** Puts back what was just taken out, where it was. */
export function putBack(line: BagLine, index: number) {
  const rest = lines.value.filter((each) => each.key !== line.key)
  save([...rest.slice(0, index), line, ...rest.slice(index)])
}

/** At most `left` of a SKU, over all its lines; the last ones give way. */
export function limitSku(skuId: string, left: number) {
  let room = left
  save(lines.value.flatMap((line) => {
    if (line.skuId !== skuId) return [line]
    const quantity = Math.min(line.quantity, room)
    room -= quantity
    return quantity ? [{ ...line, quantity }] : []
  }))
}

/** Today's prices for what was chosen before; what the menu no longer has keeps its price until the quote says so. */
export function reprice(menu: Menu) {
  const products = menu.categories.flatMap((category) => category.products)
  let changed = false
  const next = lines.value.map((line) => {
    const product = products.find((each) => each.id === line.productId)
    const sku = product?.skus.find((each) => each.sku_id === line.skuId)
    if (!product || !sku) return line
    const options = product.option_groups.flatMap((group) => group.options).filter((option) => line.options.includes(option.id))
    const unitFen = sku.price_fen + options.reduce((sum, option) => sum + option.price_fen, 0)
    if (unitFen === line.unitFen) return line
    changed = true
    return { ...line, unitFen }
  })
  if (changed) save(next)
}

export const clearBag = () => save([])
export const replaceBag = (next: BagLine[]) => save(next)

export const countOf = (productId: string) =>
  lines.value.reduce((sum, line) => sum + (line.productId === productId ? line.quantity : 0), 0)

/** The last way this product was chosen, to begin with next time. */
export const remember = (line: BagLine) => storage.set(`last.${line.productId}`, { sku: line.skuId, options: line.options })
export const remembered = (productId: string) => storage.get<{ sku: string; options: string[] }>(`last.${productId}`)
