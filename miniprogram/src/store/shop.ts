/** The merchant, where the customer is, and the store they are ordering from. */
import { platform } from '@platform'
import { reactive } from 'vue'
import { explain, findTable, getConfig, getStore, getStores, getTable, Problem, recordPlace, type Config, type Fulfilment, type Position, type Store, type Table } from '@/api'
import { storage } from '@/lib/storage'
import { paint } from '@/lib/theme'
import { toast } from './ui'

export const shop = reactive({
  config: undefined as Config | undefined,
  position: undefined as Position | undefined,
  /** The customer said no to being located; stores are listed without distance. */
  hidden: false,
  store: undefined as Store | undefined,
  mode: 'pickup' as Fulfilment,
  table: undefined as Table | undefined,
})

export async function loadConfig() {
  shop.config = await getConfig().catch(() => undefined)
  if (shop.config) paint(shop.config.merchant.brand_color)
}

/** A position is good for this long; then somebody who moved is asked again. */
const FRESH_MS = 30 * 60_000
interface Kept { at: number; position: Position }

/** The position of a moment ago. Nobody is asked: no page opens with a question. */
export function recallPosition() {
  const kept = storage.get<Kept>('position')
  if (kept && Date.now() - kept.at < FRESH_MS) shop.position = kept.position
}

let locating: Promise<void> | undefined

/** Asks where the customer is, once; `again` after they changed their mind. */
export function locate(again = false): Promise<void> {
  if (shop.position && !again) return Promise.resolve()
  if (again) locating = undefined
  return (locating ??= platform.location().then(
    ({ latitude, longitude }) => {
      shop.position = { lat: latitude, lng: longitude }
      shop.hidden = false
      storage.set('position', { at: Date.now(), position: shop.position } satisfies Kept)
      recordPlace(shop.position).catch(() => undefined)  // the shop's memory: nothing here waits for it
    },
    () => { shop.position = undefined; shop.hidden = true },
  ))
}

export const findStores = async (q = '') => (await getStores(shop.position, q)).items

export function choose(store: Store) {
  if (store.id !== shop.store?.id) shop.table = undefined
  shop.store = store
  storage.set('store', store.id)
}

export function setMode(mode: Fulfilment, table?: Table) {
  shop.mode = mode
  if (table) shop.table = table
}

/** The store by id, the one used last, or the nearest that is open. */
export async function currentStore(id?: string): Promise<Store | undefined> {
  const wanted = id ?? shop.store?.id ?? storage.get<string>('store')
  if (wanted) {
    const store = await getStore(wanted, shop.position).catch((error: { status?: number }) => {
      if (error.status !== 404) throw error
      if (id) toast('这家店找不到了，先看看这家')
      return undefined
    })
    if (store) {
      choose(store)
      return store
    }
  }
  const stores = await findStores()
  const first = stores.find((store) => store.open) ?? stores[0]
  if (first) choose(first)
  return first
}

/** Sits down at a table: its store becomes the current one. */
export const sitDown = async (code: string): Promise<Store> => seated(await getTable(code))

function seated({ store, table }: { store: Store; table: Table }): Store {
  choose(store)
  setMode('dine_in', table)
  return store
}

/** The code of a table in the address of one of our pages: `…?table=A06`, `…?scene=A06`. */
export function tableCode(text: string): string {
  const found = /[?&](?:table|scene)=([^&#]+)/.exec(text)?.[1]
  return found ? decodeURIComponent(found) : ''
}

/** Scans the code at the table and sits down there; says what went wrong. True when seated. */
export async function scanTable(): Promise<boolean> {
  const text = await platform.scan().catch(() => '')
  if (!text) return false
  const code = tableCode(text)
  try {
    // printed codes are the official account's: only the server knows which table such a link means
    seated(await (code ? getTable(code) : findTable(text)))
    return true
  } catch (error) {
    const unknown = error instanceof Problem && [404, 422].includes(error.status)
    toast(unknown ? '这不是桌码，看看桌角的码' : explain(error))
    return false
  }
}
