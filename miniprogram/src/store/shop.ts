/** The merchant, where the customer is, and the store they are ordering from. */
import { platform } from '@platform'
import { reactive } from 'vue'
import { getConfig, getStore, getStores, getTable, type Config, type Fulfilment, type Position, type Store, type Table } from '@/api'
import { storage } from '@/lib/storage'

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
}

let locating: Promise<void> | undefined

/** Asks once for the position; a refusal is remembered until `again`. */
export function locate(again = false): Promise<void> {
  if (again) locating = undefined
  return (locating ??= platform.location().then(
    ({ latitude, longitude }) => { shop.position = { lat: latitude, lng: longitude }; shop.hidden = false },
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
      if (error.status === 404) return undefined
      throw error
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
export async function sitDown(code: string): Promise<Store> {
  const { store, table } = await getTable(code)
  choose(store)
  setMode('dine_in', table)
  return store
}

/** The code of a table in what was scanned: `…?table=A06`, `table:A06`, or the code itself. */
export function tableCode(text: string): string {
  const found = /[?&]table=([^&#]+)/.exec(text)?.[1] ?? /(?:^|[:/])([\w-]+)$/.exec(text.trim())?.[1]
  return found ? decodeURIComponent(found) : ''
}
