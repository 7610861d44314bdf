/** What `wx.requestPayment` takes, as the server signs it. */
export interface PayParams {
  timeStamp: string
  nonceStr: string
  package: string
  signType: 'RSA'
  paySign: string
}

export type Answer = 'accept' | 'reject' | 'ban' | 'filter'

/** Where the phone draws its own things over the page, in px. */
export interface Frame {
  statusBar: number
  /** Space from the capsule's left edge to the right edge of the screen. */
  capsule: number
  capsuleTop: number
  capsuleHeight: number
  safeBottom: number
}

export interface Surroundings {
  appid: string
  /** Empty: the same origin. */
  apiBase: string
  frame: Frame
}

export interface Place {
  name: string
  address: string
  lat: number | null
  lng: number | null
}

/** The person (or the system) said no; `message` is WeChat's errMsg. */
export class Refused extends Error {}

/** Opened where no mini-program can run; `phone` is the address of the virtual phone, if there is one. */
export class Outside extends Error {
  constructor(readonly phone: string) {
    super('outside a phone')
  }
}

/** The few things only WeChat can do. Everything else is plain `uni.*`, which both targets have. */
export interface Platform {
  /** Resolves once calls can be made; rejects with `Outside` when they never can. */
  ready(): Promise<Surroundings>
  /** Names the box in the storage, so that two people in one browser do not share it. */
  space: string
  /** A one-time code that the server exchanges for the openid. */
  login(): Promise<string>
  /** Resolves once WeChat took the payment; rejects with `Refused` when the customer cancels. */
  pay(params: PayParams): Promise<void>
  /** Whether this is a browser with no WeChat around it: who pays goes over to a channel's page. */
  alone(): boolean
  /** Goes over to a channel's page; resolves if the customer comes back by the browser's own button. */
  leave(show: 'redirect' | 'form', params: Record<string, string>): Promise<void>
  /** What the customer answered, per template id. */
  subscribe(templateIds: string[]): Promise<Record<string, Answer>>
  /** The text of a scanned code; rejects with `Refused` when cancelled. */
  scan(): Promise<string>
  location(): Promise<{ latitude: number; longitude: number }>
  /** A code for the phone number; absent where a button with `open-type` has to ask for it. */
  phoneNumber?(): Promise<string>
  /** Code on the screen, as a camera would see it; null when it is gone. */
  screen(qr: string | null, label?: string): void
  /** Name of the page and the colour of the clock above it. */
  title(text: string, style: 'black' | 'white'): void
  vibrate(): void
  /** A link to a page, to be copied; absent where a button with `open-type="share"` hands the page on. */
  link?(path: string): string
  /** Bright and awake while a code is shown; returns what restores it. */
  brighten(): () => void
  /** WeChat asks before the first use of something private; `show` opens our sheet, whose button answers. */
  onPrivacy(show: (answer: (agreed: boolean) => void) => void): void
  call(phone: string): void
  /** Leads to a place: on a map, or by copying its address where there is none. */
  lead(place: Place): Promise<'map' | 'copied'>
  /** Address of a picture that the server names by path; the package brings the drawings under /m/static itself. */
  picture(path: string): string
  /** The phone asks for a page, for instance after a tap on a message card. */
  onNavigate(open: (path: string) => void): void
}
