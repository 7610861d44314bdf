/** Going from page to page, without caring which of them are tabs. */
const TABS = ['/pages/home/home', '/pages/orders/orders', '/pages/member/member']

export const page = (name: string, values: Record<string, string | undefined> = {}) => {
  const parts = Object.entries(values).flatMap(([key, value]) => (value ? [`${key}=${encodeURIComponent(value)}`] : []))
  return `/pages/${name}/${name}${parts.length ? `?${parts.join('&')}` : ''}`
}

/** What the address says: leading slash, '?' and values; works for what a message card carries. */
export function parse(url: string): { path: string; values: Record<string, string> } {
  const [path = '', rest = ''] = url.split('?')
  const values: Record<string, string> = {}
  for (const part of rest.split('&').filter(Boolean)) {
    const [key = '', value = ''] = part.split('=')
    values[decodeURIComponent(key)] = decodeURIComponent(value)
  }
  return { path: path.startsWith('/') ? path : `/${path}`, values }
}

/** The second tap of a double tap asks for the same page again: it is not a second wish. */
const DOUBLE_MS = 500
let last = { to: '', at: 0 }
function doubled(to: string): boolean {
  const same = last.to === to && Date.now() - last.at < DOUBLE_MS
  last = { to, at: Date.now() }
  return same
}

export function go(url: string) {
  if (doubled(url)) return
  const { path } = parse(url)
  const to = url.startsWith('/') ? url : `/${url}`
  if (TABS.includes(path)) return uni.switchTab({ url: path })
  const pages = getCurrentPages()
  const top = pages[pages.length - 1] as { route?: string } | undefined
  if (pages.length >= 9 || (top && `/${top.route}` === path)) return uni.redirectTo({ url: to })
  return uni.navigateTo({ url: to })
}

/** Instead of this page. */
export function replace(url: string) {
  return TABS.includes(parse(url).path) ? uni.switchTab({ url }) : uni.redirectTo({ url })
}

export function back() {
  if (doubled('back')) return
  if (getCurrentPages().length > 1) uni.navigateBack()
  else uni.switchTab({ url: TABS[0]! })
}
