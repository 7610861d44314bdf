/** The next reward within reach, and what would reach it. */
import type { Menu, Option, Product, Quote, Sku } from '@/api'

/** Nobody is told to spend more than this to save something. */
const NEAR_FEN = 1500

export interface Reach { missingFen: number; name: string }

export function reach(quote: Quote | undefined): Reach | undefined {
  const nearest = lacking(quote?.rejected ?? [])[0]
  return nearest && nearest.missingFen <= NEAR_FEN ? nearest : undefined
}

/** The coupon that lacks least on this bill, whatever it lacks. */
export function nearestCoupon(quote: Quote | undefined): Reach | undefined {
  return lacking((quote?.rejected ?? []).filter((each) => each.kind === 'coupon'))[0]
}

const lacking = (rejected: Quote['rejected']): Reach[] =>
  rejected
    .flatMap(({ missing_fen: missingFen, name }) => (missingFen ? [{ missingFen, name }] : []))
    .sort((a, b) => a.missingFen - b.missingFen)

/** How a product is taken when nobody chooses: the first SKU on sale, the first option of each group that asks for one. */
export function usual(product: Product): { sku: Sku; options: Option[] } | undefined {
  const sku = product.skus.find((each) => each.state === 'on' && each.stock !== 0)
  const options = product.option_groups
    .filter((group) => group.min > 0)
    .map((group) => group.options.find((option) => option.state === 'on'))
  if (!sku || options.some((option) => !option)) return undefined
  return { sku, options: options as Option[] }
}

/** The cheapest thing not in the bag that closes the gap. */
export function suggestion(menu: Menu | undefined, missingFen: number, inBag: (id: string) => boolean): Product | undefined {
  return (menu?.categories ?? [])
    .flatMap((category) => category.products)
    .filter((product) => product.state === 'on' && product.price_fen >= missingFen && !inBag(product.id) && usual(product))
    .sort((a, b) => a.price_fen - b.price_fen)[0]
}
