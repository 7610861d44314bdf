import { Bridge } from './bridge'
import { codeOf, leave, restorePage, toLogIn, type Website } from './web'
import { Outside, Refused, type Answer, type Frame, type Platform, type Surroundings } from './types'

interface Config {
  phone_origin?: string
  appid?: string
  api_base?: string
  website?: Website
}

interface Hello {
  systemInfo?: {
    statusBarHeight?: number
    screenWidth?: number
    safeBottom?: number
    menuButton?: { top: number; left?: number; right?: number; width: number; height: number }
  }
}

let bridge: Bridge | undefined
/** Where people log in who have no phone around the page. */
let website: Website | undefined
/** Asks the phone, once it has said hello; without a phone nobody can. */
async function ask<T>(name: string, args: object = {}): Promise<T> {
  await platform.ready()
  if (!bridge) throw new Refused(`${name}:fail no phone`)
  return bridge.call<T>(name, args)
}
const quietly = (name: string, args: object = {}) => {
  void ask(name, args).catch(() => {})
}

async function readConfig(): Promise<Config> {
  const answer = await fetch(`${import.meta.env.BASE_URL}config.json`, { cache: 'no-store' })
  return answer.ok ? ((await answer.json()) as Config) : {}
}

export function frameOf({ systemInfo: info }: Hello): Frame {
  const button = info?.menuButton
  const width = info?.screenWidth ?? 390
  return {
    statusBar: info?.statusBarHeight ?? 0,
    capsule: button ? width - (button.left ?? width - button.width - 10) : 0,
    capsuleTop: button?.top ?? 0,
    capsuleHeight: button?.height ?? 32,
    safeBottom: info?.safeBottom ?? 0,
  }
}

async function connect(): Promise<Surroundings> {
  const config = await readConfig()
  const origin = config.phone_origin
  if (window.parent === window && config.website) {
    website = config.website
    return { appid: website.appid, apiBase: config.api_base ?? '', frame: { statusBar: 0, capsule: 0, capsuleTop: 0, capsuleHeight: 32, safeBottom: 0 } }
  }
  if (!origin || window.parent === window) throw new Outside(origin ? `${origin}/sandbox/` : '')
  bridge = new Bridge(window, window.parent, origin)
  bridge.on('navigate', ({ path }) => path && opener(path))
  const hello = await bridge.call<Hello>('hello', {}, 8000).catch(() => {
    throw new Outside(`${origin}/sandbox/`)
  })
  return { appid: config.appid ?? '', apiBase: config.api_base ?? '', frame: frameOf(hello) }
}

if (typeof location !== 'undefined') restorePage()

let connected: Promise<Surroundings> | undefined
let opener: (path: string) => void = () => {}

export const platform: Platform = {
  space: typeof location === 'undefined' ? '' : (new URLSearchParams(location.search).get('phone') ?? ''),
  ready: () => (connected ??= connect()),
  login: async () => {
    await platform.ready()
    return website ? (codeOf() ?? toLogIn(website)) : (await ask<{ code: string }>('login')).code
  },
  pay: async (params) => void (await ask('pay', params)),
  alone: () => !!website,
  leave,
  subscribe: (tmplIds) => ask<Record<string, Answer>>('subscribe', { tmplIds }),
  scan: async () => (await ask<{ result: string }>('scan')).result,
  location: () => ask<{ latitude: number; longitude: number }>('location'),
  phoneNumber: async () => (await ask<{ code: string }>('phoneNumber')).code,
  screen: (qr, label) => quietly('screen', { qr, label }),
  title: (text, style) => quietly('title', { text, style }),
  vibrate: () => quietly('vibrate'),
  link: (path) => `${location.origin}${import.meta.env.BASE_URL}#${path}`,
  brighten: () => () => {},
  onPrivacy: () => {},
  call: (number) => { window.open(`tel:${number}`, '_self') },
  lead: async ({ address }) => {
    await uni.setClipboardData({ data: address, showToast: false })
    return 'copied'
  },
  picture: (path) => path,
  onNavigate: (open) => { opener = open },
}
