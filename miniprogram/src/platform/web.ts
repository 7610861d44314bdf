/** A browser with no phone around the page: WeChat's log-in page, and the pages of payment channels. */

export interface Website {
  appid: string
  login_url: string
}

const STATE = 'linli.login'
interface Kept { state: string; hash: string }

function kept(): Kept | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(STATE) ?? '') as Kept
  } catch {
    return undefined
  }
}

/** The code with which WeChat sent this browser back, once; one that we did not ask for is none. */
export function codeOf(): string | undefined {
  const query = new URLSearchParams(location.search)
  const [code, state] = [query.get('code'), query.get('state')]
  const asked = kept()
  sessionStorage.removeItem(STATE)
  if (!code || !asked || state !== asked.state) return undefined
  history.replaceState(history.state, '', location.pathname + (location.hash || asked.hash))
  return code
}

/** To WeChat's page with the QR; the page that was open is kept for the way back. */
export function toLogIn({ appid, login_url: url }: Website): Promise<never> {
  const state = [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, '0')).join('')
  sessionStorage.setItem(STATE, JSON.stringify({ state, hash: location.hash } satisfies Kept))
  const back = location.origin + location.pathname
  location.assign(`${url}?appid=${appid}&redirect_uri=${encodeURIComponent(back)}&response_type=code&scope=snsapi_login&state=${state}#wechat_redirect`)
  return new Promise(() => {})
}

/** Before the router reads the address: whoever comes back from the log-in gets their page again. */
export function restorePage() {
  const asked = kept()
  if (asked?.hash && !location.hash && new URLSearchParams(location.search).get('state') === asked.state) {
    history.replaceState(history.state, '', location.pathname + location.search + asked.hash)
  }
}

export function leave(show: 'redirect' | 'form', params: Record<string, string>): Promise<void> {
  const { url = '', ...fields } = params
  if (show === 'redirect') location.assign(url)
  else {
    const form = document.createElement('form')
    form.method = 'post'
    form.action = url
    for (const [name, value] of Object.entries(fields)) {
      const input = document.createElement('input')
      input.type = 'hidden'
      input.name = name
      input.value = value
      form.append(input)
    }
    document.body.append(form)
    form.submit()
  }
  return new Promise((shown) => {
    window.addEventListener('pageshow', (event) => { if (event.persisted) shown() }, { once: true })
  })
}
