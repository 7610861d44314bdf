/*
 * The sandbox's control API, as this page uses it. One function per address; nothing else fetches.
 *
 * What the page reads of the answers (fields it does not name are ignored):
 *
 * people      {people: [{id, name, role, phone, balance_fen}]}; role: customer, clerk, owner or words of its own
 * scan        {kind: "follow"|"scan"} the account's own code; {kind: "mini", appid, path}, {kind: "web", url}, {kind: "pay", code}, {kind: "text", text}
 * chat        {followed, subtitle, messages: [{id, at, sender: "me"|"account"|"system", kind, ...}], menu: {button: [...]} | null}
 *             kinds and their fields: cards.js; menu as menu/create takes it; chat of the mini-program: service notices
 * prepay      {amount_fen, payee, seconds_left}: what the pay sheet shows
 * payment-code {code, seconds, asks_password, password_above_fen}; asked {asked: [{out_trade_no, amount_fen, payee}]}
 * pack        {cards: [{code, name, state, until, worth, condition, terms, appid, path, entrance}]}: the card pack
 * qrs         {qrs: [{text, title, note, kind: "store"|"table"|"staff_invite"|"poster"|"screen"|..., expired, scans}]}
 * faults      {faults: [{id, kind}]}; POST takes {api, kind, times, seconds|copies}
 * feed        {events: [{id, at, kind: "entry", direction, title, tag, tone, detail, api, ms, raw, person}]}, oldest first
 * feed/stream the same as messages, and the event "chat" {person, appid} when a chat has to be read again
 * clock       {now}
 *
 * Errors are problem details: {title, detail}, fit to be shown.
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
  show: (id, appid, picture) => call('POST', `${person(id)}show`, { appid, ...picture }),
  tap: (id, appid, path, scan) => call('POST', `${person(id)}tap`, scan === undefined ? { appid, path } : { appid, path, scan }),
  loginCode: (id, appid) => call('POST', `${person(id)}login-code`, { appid }),
  phoneCode: (id, appid) => call('POST', `${person(id)}phone-code`, { appid }),
  subscribe: (id, appid, answers) => call('POST', `${person(id)}subscribe`, { appid, answers }),
  screen: (id, screen) => call('POST', `${person(id)}screen`, screen),
  pay: (id, sheet) => call('POST', `${person(id)}pay`, sheet),
  prepay: (prepayId) => call('GET', `prepay?${query({ prepay_id: prepayId })}`),
  payScanned: (id, code) => call('POST', `${person(id)}pay-scanned`, { code }),
  paymentCode: (id, change) => call('POST', `${person(id)}payment-code`, change),
  asked: async (id) => (await call('GET', `${person(id)}asked`)).asked,
  answerAsked: (id, no, outcome) => call('POST', `${person(id)}asked/${encodeURIComponent(no)}`, { outcome }),
  cards: async (id) => (await call('GET', `${person(id)}pack`)).cards,
  dropCard: (id, code) => call('POST', `${person(id)}pack`, { code, do: 'delete' }),
  receive: (id, transaction) => call('POST', `${person(id)}receipts`, { transaction_id: transaction }),
  story: async () => (await call('GET', 'story')).facts,
  tellStory: (facts) => call('POST', 'story', { facts }),
  qrs: async () => (await call('GET', 'qrs')).qrs,
  faults: async () => (await call('GET', 'faults')).faults,
  setFault: (fault) => call('POST', 'faults', fault),
  clearFaults: (kind) => call('DELETE', `faults?${query({ kind })}`),
  feed: async () => (await call('GET', 'feed')).events.filter((event) => event.kind === 'entry'),
  clock: () => call('GET', 'clock'),
  advance: (seconds) => call('POST', 'clock', { advance_seconds: seconds }),
  restart: () => call('POST', 'reset', { story: true }),
}

/** Follow the feed live, from after the entry `last`. The browser reconnects by itself; `onState(false)` while it is away. */
export function listen(last, { onEntry, onChat, onState }) {
  const source = new EventSource(`${base}feed/stream?${query({ after: last })}`)
  source.onopen = () => onState(true)
  source.onerror = () => onState(false)
  source.onmessage = (message) => onEntry(JSON.parse(message.data))
  source.addEventListener('chat', (message) => onChat(JSON.parse(message.data)))
}
