/*
 * What WeChat is to a mini-program, this module is to the page framed at /m/: it answers the calls that a phone answers.
 *
 *   child -> phone   {linli: 1, id, call, args}
 *   phone -> child   {linli: 1, id, ok: true, result} | {linli: 1, id, ok: false, error: {errMsg, errCode}}
 *   phone -> child   {linli: 1, event: "navigate", path}       open this page (a card or a code was tapped)
 *
 * Both sides check the origin and the window. Where the contract left room, this side chose:
 *
 * - The frame is the whole screen, 390 wide. The phone draws the status bar (47 high), the capsule and the home bar over it;
 *   `hello` tells their places, the page leaves the room. hello -> {persona: {id, name}, appid, systemInfo: {statusBarHeight: 47,
 *   screenWidth, screenHeight, safeBottom, menuButton: {top, right, bottom, left, width, height}}} (right: from the left edge).
 * - The first page comes in the address: /m/?phone=<persona>#/pages/…; later ones by `navigate`. Both phones share one browser,
 *   so the page keeps what it stores under a key with `phone` in it, or in memory.
 * - `title` {text, style: "black"|"white"} names the page; `style` is the colour of the clock and the capsule (black if absent).
 * - `screen` {qr: "text"|null, label?: "双人好友券"} is what a camera would see; the other phone's scan dialog offers it.
 * - `pay` answers {} after the sandbox took the payment; cancelled: errMsg "requestPayment:fail cancel".
 * - `scan` cancelled: "scanCode:fail cancel"; `phoneNumber` refused: "getPhoneNumber:fail user deny";
 *   `location` refused: "getLocation:fail auth deny". A call it does not know: "<call>:fail not supported".
 */

const NOT_SUPPORTED = 'not supported'

/** What a phone says no with; becomes the errMsg that WeChat would give. */
export class Refused extends Error {
  constructor(errMsg, errCode = -1) {
    super(errMsg)
    this.errCode = errCode
  }
}

export class Bridge {
  /** `answers` maps a call's name to a function of its arguments; it may be async and may throw `Refused`. */
  constructor(frame, origin, answers) {
    this.frame = frame
    this.origin = origin
    this.answers = answers
    this.ready = false
    this.waiting = []
    this.onMessage = (event) => this.receive(event)
    window.addEventListener('message', this.onMessage)
  }

  close() {
    window.removeEventListener('message', this.onMessage)
  }

  navigate(path) {
    if (this.ready) this.post({ event: 'navigate', path })
    else this.waiting.push(path)
  }

  post(message) {
    this.frame.contentWindow?.postMessage({ linli: 1, ...message }, this.origin)
  }

  async receive(event) {
    const message = event.data
    if (event.source !== this.frame.contentWindow || event.origin !== this.origin) return
    if (!message || message.linli !== 1 || typeof message.call !== 'string') return
    const { id, call, args } = message
    try {
      const answer = Object.hasOwn(this.answers, call) ? this.answers[call] : null
      if (!answer) throw new Refused(`${call}:fail ${NOT_SUPPORTED}`)
      const result = await answer(args ?? {})
      this.post({ id, ok: true, result: result ?? {} })
    } catch (error) {
      const errMsg = error instanceof Refused ? error.message : `${call}:fail ${error.message}`
      this.post({ id, ok: false, error: { errMsg, errCode: error.errCode ?? -1 } })
    }
    if (call === 'hello') {
      this.ready = true
      for (const path of this.waiting.splice(0)) this.navigate(path)
    }
  }
}
