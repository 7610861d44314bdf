/** What the bag costs, asked again a moment after it changed. */
import { reactive, watch } from 'vue'
import { getQuote, type Quote } from '@/api'
import { bag } from './bag'
import { shop } from './shop'

const PAUSE = 350

export const quoted = reactive({
  quote: undefined as Quote | undefined,
  /** The quote is of exactly what is in the bag now. */
  fresh: false,
})

let timer: ReturnType<typeof setTimeout> | undefined
let latest = 0

watch(() => [bag.items, shop.store?.id, shop.mode] as const, () => {
  clearTimeout(timer)
  quoted.fresh = false
  if (!bag.count) quoted.quote = undefined
  else timer = setTimeout(ask, PAUSE)
})

async function ask() {
  const store = shop.store?.id
  if (!store || !bag.count) return
  const mine = ++latest
  const quote = await getQuote({ store_id: store, fulfilment: shop.mode, items: bag.items, coupon_id: 'best' }).catch(() => undefined)
  if (mine !== latest) return
  quoted.quote = quote
  quoted.fresh = !!quote
}
