/* What an entry of the feed tells about the story: the names that story.js knows. */

const event = (entry) => String(entry.raw?.message?.Event ?? '').toLowerCase()
const went = (entry) => entry.tone === 'ok' && !/伪造/.test(entry.title)

/** What carries a coupon opens the coupons' page; who it is for stands beside it. */
const COUPONS = 'pages/coupons'
const SENT = new Set(['api.custom_send', 'api.subscribe_send'])
const to = (entry) => entry.raw?.body?.touser
const couponFor = (entry, openids) => SENT.has(entry.api) && openids.includes(to(entry)) && JSON.stringify(entry.raw.body).includes(COUPONS)

/**
 * The facts that this one entry proves. `mine`: the openids of whoever holds the customer's phone; `known`: what was
 * there before. Called back is who got a coupon after having paid, whomever else a campaign was for.
 */
export function factsOf(entry, mine = [], known = new Set()) {
  if (!went(entry)) return []
  const api = entry.api ?? ''
  if (api === 'official.push') {
    if (event(entry) === 'subscribe') return ['follow']
    if (event(entry).startsWith('scancode')) return ['scanned']
  }
  if (api === 'api.code2session') return ['login']
  if (api === 'api.tag_users') return ['staff']
  if (api === 'pay.prepay') return ['prepaid']
  if (api === 'pay.notify') return ['pay']
  if (known.has('pay') && couponFor(entry, mine)) return ['campaign']
  return []
}

const KEY = 'linli.phone.counts'
let before = JSON.parse(localStorage.getItem(KEY) ?? '{}')
let now = {}

/** The steps that the shop has counted since the story began: {handover: 2, …}. */
export function factsOfCounts(counts) {
  now = counts
  // A shop that was started again counts from zero.
  const since = (step) => (counts[step] < (before[step] ?? 0) ? 0 : (before[step] ?? 0))
  return Object.keys(counts).filter((step) => counts[step] > since(step))
}

/** The story begins again: what was counted until now belongs to the last one. */
export function forgetCounts() {
  before = now
  localStorage.setItem(KEY, JSON.stringify(before))
}
