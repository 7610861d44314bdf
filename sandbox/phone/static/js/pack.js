/* WeChat's card pack: the cards that the shop put there. One is opened, shown to the clerk, thrown away. */

import { h, icon } from './dom.js'
import { api } from './api.js'
import { showCode } from './purse.js'
import { sayError } from './toast.js'

const STATES = { CONFIRMING: '正在放进来', PENDING: '还没到时候', EFFECTIVE: '', USED: '用掉了', EXPIRED: '过期了', DEACTIVATED: '失效了' }
const picture = (text) => `/sandbox/qr.svg?${new URLSearchParams({ text })}`
const groups = (code) => code.replace(/(.{4})(?=.)/g, '$1 ')
const day = (at) => new Date(at).toLocaleDateString('zh-CN', { timeZone: 'Asia/Shanghai', month: 'long', day: 'numeric' })

export class Pack {
  constructor(phone) {
    this.phone = phone
    this.list = h('div', { class: 'cardlist' })
    this.element = h(
      'div',
      { class: 'view pack' },
      h(
        'div',
        { class: 'bar' },
        h('div', { class: 'nav' }, h('button', { type: 'button', class: 'navbtn', 'aria-label': '关掉卡包', onclick: () => phone.tab('chat') }, icon('close', 23)), h('div', { class: 'ttl' }, '微信卡包')),
      ),
      h('div', { class: 'purse' }, h('button', { type: 'button', class: 'paybtn', onclick: () => showCode(phone) }, '出示付款码')),
      this.list,
    )
  }

  async open() {
    if (!this.list.children.length) this.list.replaceChildren(h('p', { class: 'empty' }, '正在打开…'))
    try {
      this.draw(await api.cards(this.phone.person.id))
    } catch (error) {
      this.list.replaceChildren(h('p', { class: 'empty' }, error.message))
    }
  }

  draw(cards) {
    const empty = h('p', { class: 'empty' }, '卡包是空的。店里在「优惠 → 微信卡包」打开开关、放进一种券，顾客手里的券一两分钟后就到这里。')
    this.list.replaceChildren(...(cards.length ? cards.map((card) => this.row(card)) : [empty]))
  }

  row(card) {
    const over = STATES[card.state] ?? card.state
    return h(
      'button',
      { type: 'button', class: `pcard ${over ? 'over' : ''}`, onclick: () => this.show(card) },
      h('span', { class: 'v' }, card.worth, h('small', {}, card.condition)),
      h('span', { class: 'w' }, h('b', { class: 'cut' }, card.name), h('small', { class: 'cut' }, over || `${day(card.until)}前用`)),
      icon('next', 16),
    )
  }

  /** Its code stands on the screen, so that the clerk's phone can scan it. */
  show(card) {
    const { phone } = this
    const good = card.state === 'EFFECTIVE'
    if (good) phone.setScreen({ qr: card.code, label: `卡包里的${card.name}` })
    const close = phone.sheet(
      card.name,
      (sheet) => {
        sheet.append(
          h('div', { class: 'head' }, h('button', { type: 'button', class: 'x', 'aria-label': '关闭', onclick: () => close() }, icon('close', 22)), h('span', { class: 'badge-sb' }, '微信卡包')),
          h('div', { class: 'payee' }, h('div', {}, card.name), h('div', { class: 'sum' }, card.worth), h('div', {}, `${card.condition} · ${day(card.until)}前用`)),
          good ? h('div', { class: 'pcode' }, h('img', { src: picture(card.code), alt: '券码', width: '180', height: '180' }), h('div', {}, groups(card.code))) : h('p', { class: 'warn' }, STATES[card.state] ?? card.state),
          h('p', { class: 'terms' }, card.terms),
          good && card.path && h('button', { type: 'button', class: 'paybtn', onclick: () => { close(); phone.mini(card.path, card.appid) } }, card.entrance || '去使用'),
          h('button', { type: 'button', class: 'nobtn', onclick: () => this.drop(card, close) }, '从卡包删掉'),
        )
      },
      () => phone.setScreen(null),
    )
  }

  async drop(card, close) {
    try {
      await api.dropCard(this.phone.person.id, card.code)
      close()
      this.open()
    } catch (error) {
      sayError(error)
    }
  }
}
