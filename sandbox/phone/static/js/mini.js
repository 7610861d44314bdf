/* The mini-program's screen: the shop's browser build in a frame, answered by the bridge. */

import { h, icon } from './dom.js'
import { api } from './api.js'
import { Bridge, Refused } from './bridge.js'
import { locationDialog, payDialog, phoneDialog, subscribeDialog } from './sheets.js'

const { backend, mini: appid, static: files } = document.body.dataset
const templates = JSON.parse(document.getElementById('templates').textContent)
const HOME = '/pages/home/home'
const PATIENCE = 15_000
const CAPSULE = { top: 53, width: 84, height: 32, gap: 10 }

export class Mini {
  constructor(phone) {
    this.phone = phone
    this.capsule = h(
      'div',
      { class: 'capsule' },
      h('button', { type: 'button', 'aria-label': '重新打开小程序', onclick: () => this.reload() }, h('span', { class: 'dots' })),
      h('button', { type: 'button', 'aria-label': '关掉小程序', onclick: () => phone.tab('chat') }, icon('close', 17, 2.2)),
    )
    this.place = h('div', { class: 'view' })
    this.element = h('div', { class: 'view' }, this.place, this.capsule)
    this.clear()
  }

  clear() {
    clearTimeout(this.timer)
    this.bridge?.close()
    this.bridge = null
    this.frame = null
    this.style = 'black'
    this.place.replaceChildren()
  }

  /** Open it if it is not open; a mini-program in the background stays as it was. */
  start(path = HOME) {
    if (this.frame) return
    const person = this.phone.person
    const address = `${backend}/m/?phone=${encodeURIComponent(person.id)}#${absolute(path)}`
    this.frame = h('iframe', { class: 'frame', title: '小程序', src: address, allow: `clipboard-write ${backend}` })
    this.cover = loading()
    this.place.replaceChildren(this.frame, this.cover)
    this.bridge = new Bridge(this.frame, backend, this.answers(person))
    this.timer = setTimeout(() => this.fail(), PATIENCE)
  }

  go(path) {
    if (!this.bridge) return this.restart(path)
    if (path) this.bridge.navigate(absolute(path))
  }

  restart(path) {
    this.clear()
    this.phone.setScreen(null)
    this.start(path || HOME)
  }

  reload() {
    this.restart(HOME)
    this.phone.ink()
  }

  fail() {
    if (!this.cover?.isConnected) return
    this.cover.className = 'cover'
    this.cover.replaceChildren(
      h(
        'div',
        { class: 'blank' },
        h('img', { src: `${files}art/error.svg`, alt: '' }),
        h('h3', {}, '小程序没有打开'),
        h('p', {}, '后端可能还在启动。订单和付款都不受影响。'),
        h('button', { type: 'button', class: 'pill', onclick: () => this.reload() }, icon('reload', 20), '再试一次'),
      ),
    )
  }

  /** The calls of the contract; see bridge.js. */
  answers(person) {
    const { phone } = this
    const height = phone.glass.offsetHeight
    return {
      hello: () => {
        clearTimeout(this.timer)
        setTimeout(() => this.cover.remove(), 150)
        const left = 390 - CAPSULE.gap - CAPSULE.width
        const menuButton = { top: CAPSULE.top, bottom: CAPSULE.top + CAPSULE.height, left, right: left + CAPSULE.width, width: CAPSULE.width, height: CAPSULE.height }
        return { persona: { id: person.id, name: person.name }, appid, systemInfo: { statusBarHeight: 47, screenWidth: 390, screenHeight: height, safeBottom: 20, menuButton } }
      },
      login: async () => ({ code: (await api.loginCode(person.id, appid)).code }),
      pay: (args) => payDialog(phone, appid, args),
      subscribe: ({ tmplIds }) => subscribeDialog(phone, appid, tmplIds ?? [], templates),
      scan: async () => {
        const result = await phone.askScan()
        if (result === null) throw new Refused('scanCode:fail cancel')
        return { result }
      },
      location: () => locationDialog(phone),
      phoneNumber: () => phoneDialog(phone, appid),
      screen: ({ qr, label }) => phone.setScreen({ qr, label }),
      title: ({ text, style }) => {
        this.style = style ?? 'black'
        if (text) this.frame.title = text
        phone.ink()
      },
      vibrate: () => phone.buzz?.(),
    }
  }
}

const absolute = (path) => (path.startsWith('/') ? path : `/${path}`)

function loading() {
  return h('div', { class: 'cover loading', role: 'status', 'aria-label': '正在打开小程序' }, h('div', { class: 'sk hero' }), h('div', { class: 'sk card' }), h('div', { class: 'sk row' }), h('div', { class: 'sk row' }))
}
