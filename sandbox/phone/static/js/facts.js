/* What an entry of the feed tells about the story: the names that story.js knows. */

const event = (entry) => String(entry.raw?.message?.Event ?? '').toLowerCase()
const went = (entry) => entry.tone === 'ok' && !/伪造/.test(entry.title)

/** The facts that this one entry proves. */
export function factsOf(entry) {
  if (!went(entry)) return []
  const api = entry.api ?? ''
  if (api === 'official.push') {
    if (event(entry) === 'subscribe') return ['follow']
    if (event(entry).startsWith('scancode')) return ['redeem']
  }
  if (api === 'api.code2session') return ['login']
  if (api === 'api.tag_users') return ['staff']
  if (api === 'pay.prepay') return ['prepaid']
  if (api === 'pay.notify') return ['pay']
  return []
}
