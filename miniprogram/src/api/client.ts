/** HTTP with the member's token; a refused token is replaced by a new login, once. */
import { platform } from '@platform'
import { reactive } from 'vue'
import { storage } from '@/lib/storage'
import { Offline, Problem } from './problem'

/** Only what `wx.request` has: there is no PATCH. */
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
interface Options {
  data?: object
  key?: string
  /** No token is sent and none is fetched. */
  open?: boolean
}

/** Turns true when the server could not be reached, false with the next answer. */
export const net = reactive({ down: false })

let token = ''
let entering: Promise<void> | undefined

/** Logs in, unless that has been done; many callers share one attempt. */
export function enter(fresh = false): Promise<void> {
  if (fresh) token = ''
  else token ||= storage.get<string>('token') ?? ''
  if (token) return Promise.resolve()
  return (entering ??= logIn().finally(() => { entering = undefined }))
}

async function logIn() {
  const { appid } = await platform.ready()
  const code = await platform.login()
  const session = await send('POST', '/sessions', { data: { code, appid: appid || undefined } }) as { token: string }
  token = session.token
  storage.set('token', token)
}

export async function call<T>(method: Method, path: string, options: Options = {}): Promise<T> {
  if (options.open) return (await send(method, path, options)) as T
  await enter()
  const used = token
  try {
    return (await send(method, path, options, used)) as T
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error
    await enter(used === token)
    return (await send(method, path, options, token)) as T
  }
}

async function send(method: Method, path: string, { data, key }: Options, bearer = ''): Promise<unknown> {
  const { apiBase } = await platform.ready()
  const header: Record<string, string> = { Accept: 'application/json' }
  if (data) header['Content-Type'] = 'application/json'
  if (bearer) header.Authorization = `Bearer ${bearer}`
  if (key) header['Idempotency-Key'] = key
  const url = `${apiBase}/api/v1${path}`
  const answer = await uni
    .request({ url, method, data, header, timeout: 15_000 })
    .catch((error: { errMsg?: string }) => {
      lost()
      throw new Offline(error.errMsg ?? 'request:fail')
    })
  net.down = false
  if (answer.statusCode >= 400) throw problem(answer.statusCode, answer.data)
  return answer.data
}

function problem(status: number, body: unknown): Problem {
  const it = (typeof body === 'object' && body ? body : {}) as Record<string, unknown>
  return new Problem(status, String(it.code ?? 'unknown'), String(it.detail || it.title || ''), String(it.request_id ?? ''), it)
}

const AGAIN_MS = 4000
let knocking: ReturnType<typeof setTimeout> | undefined

/** Knocks until somebody answers; pages that failed for it then load by themselves (useLoad). */
function lost() {
  net.down = true
  clearTimeout(knocking)
  knocking = setTimeout(() => { if (net.down) void call('GET', '/config', { open: true }).catch(() => {}) }, AGAIN_MS)
}

/** '?a=1&b=2' of what is there */
export function query(values: Record<string, string | number | undefined>): string {
  const parts = Object.entries(values).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}=${encodeURIComponent(value)}`])
  return parts.length ? `?${parts.join('&')}` : ''
}
