import { Refused, type Answer, type PayParams, type Platform } from './types'

const API_BASE = import.meta.env.VITE_API_BASE ?? ''

// @dcloudio/types wants an App-only `orderInfo` here; WeChat takes exactly PayParams.
const requestPayment = uni.requestPayment as unknown as (params: PayParams) => Promise<void>

interface Private {
  onNeedPrivacyAuthorization?(ask: (resolve: (answer: { event: 'agree' | 'disagree'; buttonId?: string }) => void) => void): void
}
declare const wx: Private

async function orRefused<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    throw new Refused((error as { errMsg?: string }).errMsg ?? String(error))
  }
}

function frame() {
  const screen = uni.getWindowInfo()
  const capsule = uni.getMenuButtonBoundingClientRect()
  return {
    statusBar: screen.statusBarHeight,
    capsule: screen.windowWidth - capsule.left,
    capsuleTop: capsule.top,
    capsuleHeight: capsule.height,
    safeBottom: screen.safeAreaInsets?.bottom ?? 0,
  }
}

export const platform: Platform = {
  space: '',
  ready: async () => ({
    appid: uni.getAccountInfoSync().miniProgram.appId,
    apiBase: API_BASE,
    frame: frame(),
  }),
  login: async () => (await uni.login()).code,
  pay: (params) => orRefused(requestPayment(params)),
  alone: () => false,
  leave: () => Promise.reject(new Refused('leave:fail')),
  subscribe: (tmplIds) =>
    new Promise((resolve) => {
      uni.requestSubscribeMessage({
        tmplIds,
        success: (answers) => {
          const all = answers as unknown as Record<string, Answer>
          resolve(Object.fromEntries(tmplIds.flatMap((id) => (all[id] ? [[id, all[id]]] : []))))
        },
        fail: () => resolve({}),
      })
    }),
  scan: async () => {
    const { path, result } = await orRefused(uni.scanCode({}))
    return path || result // a mini-program code has no text, it has a page
  },
  location: () => orRefused(uni.getLocation({ type: 'gcj02' })),
  screen: () => {},
  title: () => {},
  vibrate: () => uni.vibrateShort({ fail: () => {} }),
  brighten: () => {
    let before: number | undefined
    uni.getScreenBrightness({ success: ({ value }) => { before = value; uni.setScreenBrightness({ value: 1 }) }, fail: () => {} })
    uni.setKeepScreenOn({ keepScreenOn: true, fail: () => {} })
    return () => {
      uni.setKeepScreenOn({ keepScreenOn: false, fail: () => {} })
      if (before !== undefined) uni.setScreenBrightness({ value: before })
    }
  },
  onPrivacy: (show) =>
    wx.onNeedPrivacyAuthorization?.((resolve) =>
      show((agreed) => resolve(agreed ? { event: 'agree', buttonId: 'agree' } : { event: 'disagree' })),
    ),
  call: (phoneNumber) => { uni.makePhoneCall({ phoneNumber, fail: () => {} }) },
  lead: async ({ name, address, lat, lng }) => {
    if (lat === null || lng === null) {
      await uni.setClipboardData({ data: address, showToast: false })
      return 'copied'
    }
    await orRefused(uni.openLocation({ latitude: lat, longitude: lng, name, address }))
    return 'map'
  },
  picture: (path) => (/^(https?:|data:|$)/.test(path) ? path : (/^\/m(\/static\/.+)$/.exec(path)?.[1] ?? API_BASE + path)),
  onNavigate: () => {},
}
