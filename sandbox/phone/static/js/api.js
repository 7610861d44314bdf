/*
 * The sandbox's control API, as this page uses it. One function per address; nothing else fetches.
 *
 * What the page reads of the answers (fields it does not name are ignored):
 *
 * GET  people                -> {people: [{id, name, role, avatar?}]}   role is the line under the name: 顾客, 静安寺店店员, …
 * POST people {name, role?}  -> the new person
 * POST people/<id>/scan {qr} -> {kind: "follow"|"scan", appid}           the account's own code: show its chat
 *                             | {kind: "mini", appid, path}              a mini-program code: open it there
 *                             | {kind: "web", url} | {kind: "text", text}
 * GET  people/<id>/chat?appid= -> {followed, subtitle?, messages: [...], menu: {button: [...]} | null}
 *      message {id, at (ISO), from: "me"|"account", kind, …}
 *        kind "text" {text}, may hold <a href>, <a data-miniprogram-appid data-miniprogram-path>
 *             "news" {articles: [{title, description, url, pic_url}]}
 *             "mini" {title, appid, path, pic_url?}
 *             "template" | "subscribe" {title, rows: [[label, value], …], url?, appid?, path?}
 *             "event" {text}       a grey line: what the person did (扫码关注了「静安寺店」)
 *      menu: as menu/create takes it ({name, type, key, url, appid, pagepath, sub_button})
 * POST people/<id>/tap {appid, path: [i, j], scan?} -> {}                 the event; what opens is read from the menu
 * POST people/<id>/pay {…, outcome: "ok"|"cancel"}  -> {}
 * GET  prepay?prepay_id= -> {amount_fen, description, payee, expires_at, state}  what the pay sheet shows
 * GET  qrs    -> {qrs: [{text, title, note, kind: "store"|"table"|"staff_invite"|"poster"|…}]}
 * GET  faults -> {faults: [{id, api, kind, times, …}]};  DELETE faults[?kind=] takes them away
 * GET  feed?after= -> {events: [{id, at, direction, title, tag, api, ms, raw}]}, oldest first; feed/stream the same as SSE
 * GET  clock  -> {now (ISO)}
 *
 * Errors are problem details: {title, detail}; both are Chinese and may be shown.
 */

const base = '/sandbox/api/'

/** A refused or failed call; `offline` when no answer came at all. */
export class ApiError extends Error {
  constructor(message, { status = 0, offline = false } = {}) {
    super(message)
    this.status = status
    this.offline = offline
  }
}

async function call(method, path, body) {
  let response
  try {
    response = await fetch(base + path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
    })
  } catch {
    throw new ApiError('沙箱没有回答，看看它还在不在运行', { offline: true })
  }
  const text = await response.text()
  let data = {}
  try {
    data = text ? JSON.parse(text) : {}
  } catch {
    /* an HTML error page: the status says enough */
  }
  if (!response.ok) {
    throw new ApiError(data.detail || data.title || `沙箱回了 ${response.status}`, { status: response.status })
  }
  return data
}

const person = (id) => `people/${encodeURIComponent(id)}/`
const query = (values) => new URLSearchParams(values).toString()

export const api = {
  people: async () => (await call('GET', 'people')).people,
  addPerson: (name, role) => call('POST', 'people', { name, role }),
  chat: (id, appid) => call('GET', `${person(id)}chat?${query({ appid })}`),
  scan: (id, qr) => call('POST', `${person(id)}scan`, { qr }),
  follow: (id, appid) => call('POST', `${person(id)}follow`, { appid }),
  unfollow: (id, appid) => call('POST', `${person(id)}unfollow`, { appid }),
  say: (id, appid, text) => call('POST', `${person(id)}say`, { appid, text }),
  tap: (id, appid, path, scan) => call('POST', `${person(id)}tap`, scan === undefined ? { appid, path } : { appid, path, scan }),
  loginCode: (id, appid) => call('POST', `${person(id)}login-code`, { appid }),
  phoneCode: (id, appid) => call('POST', `${person(id)}phone-code`, { appid }),
  subscribe: (id, appid, answers) => call('POST', `${person(id)}subscribe`, { appid, answers }),
  pay: (id, sheet) => call('POST', `${person(id)}pay`, sheet),
  prepay: (prepayId) => call('GET', `prepay?${query({ prepay_id: prepayId })}`),
  qrs: async () => (await call('GET', 'qrs')).qrs,
  faults: async () => (await call('GET', 'faults')).faults,
  setFault: (fault) => call('POST', 'faults', fault),
  clearFaults: (kind) => call('DELETE', kind ? `faults?${query({ kind })}` : 'faults'),
  feed: async (after = 0) => (await call('GET', `feed?${query({ after })}`)).events,
  clock: () => call('GET', 'clock'),
  advance: (seconds) => call('POST', 'clock', { advance_seconds: seconds }),
  reset: () => call('POST', 'reset'),
}

/** Follow the feed live. The browser reconnects by itself; `onState(false)` while it is away. */
export function listen(onEvent, onState) {
  const source = new EventSource(`${base}feed/stream`)
  source.onopen = () => onState(true)
  source.onerror = () => onState(false)
  source.onmessage = (message) => onEvent(JSON.parse(message.data))
  return () => source.close()
}
