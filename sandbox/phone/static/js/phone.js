/* One phone: who holds it, which of its four screens is in front, and everything that opens over them. */

import { h, hm, icon, rove } from './dom.js'
import { Chat } from './chat.js'
import { Mini } from './mini.js'
import { Scan } from './scan.js'
import { Pack } from './pack.js'
import { choosePerson, face, onPeople, people } from './people.js'
import { api } from './api.js'
import { textDialog } from './sheets.js'
import { payScanned } from './purse.js'
import { sayError } from './toast.js'

const LINK = `${document.body.dataset.backend}/m/#`

const TABS = [['chat', '公众号'], ['mini', '小程序'], ['scan', '扫一扫'], ['pack', '卡包']]

export class Phone {
  /** `desk` knows the clock and the other phone: desk.now(), desk.other(phone), desk.renamed(phone), desk.noticed(phone), desk.screenChanged(phone). */
  constructor(root, person, desk) {
    this.root = root
    this.desk = desk
    this.person = person
    this.place = null
    this.screen = null
    this.asking = null
    this.chat = new Chat(this)
    this.mini_ = new Mini(this)
    this.scan_ = new Scan(this)
    this.pack = new Pack(this)
    this.build()
    this.draw()
    this.tab('chat')
    onPeople(() => this.sync())
  }

  get other() {
    return this.desk.other(this)
  }

  now() {
    return this.desk.now()
  }

  build() {
    this.holder = h('button', { type: 'button', class: 'holder', 'aria-haspopup': 'menu', 'aria-expanded': 'false', onclick: () => this.handOver() })
    this.tabs = h(
      'div',
      { class: 'wtabs', role: 'tablist' },
      TABS.map(([key, name]) => h('button', { type: 'button', class: 'wtab', role: 'tab', data: { tab: key }, onclick: () => this.tab(key) }, name)),
    )
    rove(this.tabs, '.wtab')
    this.time = h('span')
    this.screens = h('div', { class: 'view' }, this.chat.element, this.mini_.element, this.scan_.element, this.pack.element)
    this.over = h('div')
    this.glass = h('div', { class: 'glass' }, this.screens, this.over, h('div', { class: 'status', 'aria-hidden': 'true' }, this.time, signal()), h('div', { class: 'homebar' }))
    this.root.replaceChildren(h('div', { class: 'who' }, this.holder, this.tabs), h('div', { class: 'bezel' }, h('div', { class: 'scr' }, this.glass)))
  }

  draw() {
    const { person } = this
    this.root.setAttribute('aria-label', `${person.name}的手机`)
    this.tabs.setAttribute('aria-label', `${person.name}的手机看哪里`)
    this.holder.replaceChildren(
      face(person),
      h('span', {}, h('span', { class: 'n' }, person.name, icon('down', 15, 2)), h('span', { class: 'r' }, person.role)),
    )
    this.holder.setAttribute('aria-label', `${person.name}，${person.role}。换个人用这台手机`)
    this.desk.renamed(this)
  }

  tick() {
    this.time.textContent = hm(new Date(this.now())).replace(/^0/, '')
  }

  /** After a reset people are new objects under the same ids. */
  sync() {
    this.person = people().find((person) => person.id === this.person.id) ?? this.person
    this.draw()
  }

  async handOver() {
    if (this.holder.getAttribute('aria-expanded') === 'true') return
    const chosen = await choosePerson(this.holder, this.person)
    if (!chosen || chosen.id === this.person.id) return
    const other = this.other
    if (other?.person.id === chosen.id) other.give(this.person)
    this.give(chosen)
  }

  give(person) {
    this.person = person
    this.restart()
    this.draw()
  }

  /** Everything on the screen is forgotten: somebody else holds it, or the world began anew. */
  restart() {
    this.place = null
    this.answer(null)
    this.closeSheet?.()
    this.closeWeb()
    this.mini_.clear()
    this.setScreen(null)
    this.chat.clear()
    this.tab('chat')
    this.chat.refresh()
  }

  /* ---- the four screens ---- */

  tab(key) {
    if (this.asking && key !== 'scan') this.answer(null)
    this.front = key
    this.seen(key)
    for (const tab of this.tabs.children) {
      tab.setAttribute('aria-selected', tab.dataset.tab === key)
      tab.tabIndex = tab.dataset.tab === key ? 0 : -1
    }
    for (const [name, screen] of [['chat', this.chat], ['mini', this.mini_], ['scan', this.scan_], ['pack', this.pack]]) screen.element.hidden = name !== key
    if (this.webView) this.webView.hidden = key !== 'chat'
    if (key === 'scan') this.scan_.open()
    if (key === 'pack') this.pack.open()
    if (key === 'mini') this.mini_.start()
    if (key === 'chat') this.chat.toEnd()
    this.ink()
  }

  /** The colour of the clock: white on dark screens. */
  ink() {
    const dark = this.front === 'scan' || (this.front === 'mini' && this.mini_.style === 'white')
    this.glass.dataset.ink = dark ? 'white' : 'black'
    this.glass.dataset.front = this.front
  }

  noticed(key) {
    this.desk.noticed(this)
    if (this.front === key && !(key === 'chat' && this.webView)) return
    const tab = this.tabs.querySelector(`[data-tab="${key}"]`)
    if (!tab.querySelector('.badge')) tab.append(h('span', { class: 'badge', role: 'img', 'aria-label': '有新消息' }))
  }

  seen(key) {
    this.tabs.querySelector(`[data-tab="${key}"] .badge`)?.remove()
  }

  mini(path, appid) {
    if (appid && appid !== document.body.dataset.mini) return sayError(new Error('这个沙箱里没有那个小程序'))
    this.tab('mini')
    this.mini_.go(path)
  }

  setScreen(screen) {
    const had = this.screen
    this.screen = screen?.qr ? screen : null
    if (had?.qr === this.screen?.qr) return
    api.screen(this.person.id, { qr: this.screen?.qr ?? null, title: this.screen?.label ?? '' }).catch(() => {})
    this.desk.screenChanged(this)
  }

  /* ---- scanning ---- */

  /** Somebody on this phone wants a code: resolves with its text, or null. */
  askScan(question) {
    const back = this.front
    this.answer(null)
    return new Promise((resolve) => {
      this.tab('scan')
      this.scan_.open(question)
      this.asking = { resolve, back }
    })
  }

  answer(text) {
    const { asking } = this
    this.asking = null
    asking?.resolve(text)
    return asking
  }

  async scanned(text) {
    const asked = this.answer(text)
    if (asked) return this.tab(asked.back)
    if (text === null) return this.tab('chat')
    try {
      this.opened(await api.scan(this.person.id, text))
    } catch (error) {
      sayError(error)
    }
  }

  /** What a scanned code leads to. */
  opened(result) {
    if (result.kind === 'mini') return this.mini(result.path, result.appid)
    // A link that a friend copied: a phone with WeChat opens it as the mini-program.
    if (result.kind === 'web' && result.url.startsWith(LINK)) return this.mini(result.url.slice(LINK.length))
    this.tab('chat')
    if (result.kind === 'web') return this.web(result.url, '网页')
    if (result.kind === 'pay') return payScanned(this, result.code).catch(sayError)
    if (result.kind === 'text') return textDialog(this, result.text)
    this.closeWeb()
    this.chat.refresh()
  }

  /* ---- pages of the web, over the chat ---- */

  web(url, title) {
    this.closeWeb()
    this.tab('chat')
    const address = `/sandbox/webview?${new URLSearchParams({ person: this.person.id, url })}`
    const name = title.replace(/[\s→›>]+$/, '') || '网页'
    const frame = h('iframe', { class: 'frame', title: name, src: address })
    const progress = h('div', { class: 'progress', role: 'status', 'aria-label': '正在打开' })
    frame.addEventListener('load', () => (progress.hidden = true))
    this.webView = h(
      'div',
      { class: 'view web' },
      h(
        'div',
        { class: 'bar' },
        h(
          'div',
          { class: 'nav' },
          h('button', { type: 'button', class: 'navbtn', 'aria-label': '关掉网页', onclick: () => this.closeWeb() }, icon('close', 23)),
          h('div', { class: 'ttl' }, h('span', { class: 'cut' }, name)),
          h('button', { type: 'button', class: 'navbtn', 'aria-label': '重新打开', onclick: () => { progress.hidden = false; frame.src = address } }, icon('reload', 22)),
        ),
        progress,
      ),
      frame,
      h('div', { class: 'foot-space' }),
    )
    this.screens.append(this.webView)
  }

  closeWeb() {
    this.webView?.remove()
    this.webView = null
    this.seen('chat')
  }

  /* ---- a sheet over everything ---- */

  /** `build(sheet)` fills it; returns the function that closes it, after which `onclose` is called. Escape closes it too. */
  sheet(label, build, onclose = () => {}) {
    this.closeSheet?.()
    const before = document.activeElement
    const sheet = h('div', { class: 'sheet', role: 'dialog', 'aria-modal': 'true', 'aria-label': label, tabindex: '-1' })
    const close = () => {
      if (this.closeSheet !== close) return
      this.closeSheet = null
      this.over.replaceChildren()
      this.screens.inert = false
      if (before?.isConnected) before.focus({ preventScroll: true })
      onclose()
    }
    this.closeSheet = close
    this.screens.inert = true
    this.over.replaceChildren(h('div', { class: 'mask', onclick: close }), sheet)
    sheet.addEventListener('keydown', (event) => event.key === 'Escape' && close())
    build(sheet)
    if (!sheet.contains(document.activeElement)) sheet.focus({ preventScroll: true })
    return close
  }
}

const SVG = 'http://www.w3.org/2000/svg'

function signal() {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', '0 0 68 14')
  svg.setAttribute('width', 68)
  svg.setAttribute('height', 14)
  const bars = [[0, 9, 5], [5, 6.5, 7.5], [10, 3.5, 10.5], [15, 0.5, 13.5]].map(([x, y, height]) => ({ x, y, height, width: 3.4, rx: 1 }))
  const rest = [
    { x: 41, y: 1.5, width: 23, height: 11, rx: 3.5, fill: 'none', stroke: 'currentColor', 'stroke-opacity': 0.45 },
    { x: 43, y: 3.5, width: 17, height: 7, rx: 1.8 },
    { x: 65, y: 5, width: 2, height: 4, rx: 1, opacity: 0.5 },
  ]
  for (const shape of [...bars, ...rest]) {
    const rect = document.createElementNS(SVG, 'rect')
    for (const [name, value] of Object.entries(shape)) rect.setAttribute(name, value)
    svg.append(rect)
  }
  const text = document.createElementNS(SVG, 'text')
  for (const [name, value] of Object.entries({ x: 23, y: 12, 'font-size': 12, 'font-weight': 700 })) text.setAttribute(name, value)
  text.textContent = '5G'
  svg.append(text)
  return svg
}
