/* The scan screen: there is no camera here, so the person says what it points at. */

import { h, icon } from './dom.js'
import { api } from './api.js'
import { isClerk } from './people.js'

const SVG = 'http://www.w3.org/2000/svg'
const GROUPS = ['旁边那台手机的屏幕', '门店海报', '店员邀请', '桌码', '别的码']

/** Under which heading a code is listed; printed codes are told apart by their title. */
function groupOf(qr) {
  if (qr.kind === 'screen') return GROUPS[0]
  const words = `${qr.title} ${qr.scene ?? ''}`
  if (/邀请|invite/.test(words)) return GROUPS[2]
  if (/桌|table/.test(words)) return GROUPS[3]
  return /店|海报|store|poster/.test(words) ? GROUPS[1] : GROUPS[4]
}

const picture = (text) => `/sandbox/qr.svg?${new URLSearchParams({ text })}`

let serial = 0

export class Scan {
  /** `phone.other` is the phone beside this one; `phone.scanned(text)` gets what was picked. */
  constructor(phone) {
    this.phone = phone
    this.name = `qr-${(serial += 1)}`
    this.title = h('h3', {}, '让镜头对准哪个码？')
    this.picks = h('div', { class: 'picks', role: 'radiogroup', 'aria-label': '让镜头对准哪个码' })
    this.input = h('input', { type: 'text', maxlength: '1024', placeholder: '或者自己输入一段内容', 'aria-label': '自己输入一段内容', autocomplete: 'off' })
    this.button = h('button', { type: 'submit', class: 'paybtn' }, '扫这个码')
    this.sheet = h(
      'form',
      { class: 'sheet' },
      h('div', { class: 'head' }, this.title, h('small', {}, '沙箱里没有摄像头')),
      this.picks,
      h('label', { class: 'typed' }, icon('keyboard', 22, 1.9), this.input),
      this.button,
    )
    this.sheet.addEventListener('submit', (event) => {
      event.preventDefault()
      this.submit()
    })
    this.input.addEventListener('input', () => {
      const typed = Boolean(this.input.value.trim())
      if (typed) for (const radio of this.picks.querySelectorAll('input')) radio.checked = false
      this.update()
    })
    this.picks.addEventListener('change', () => {
      this.input.value = ''
      this.update()
    })
    this.picks.addEventListener('dblclick', (event) => event.target.closest('.qrpick') && this.submit())
    this.element = h(
      'div',
      { class: 'view scan' },
      h(
        'div',
        { class: 'bar' },
        h('div', { class: 'nav' }, h('button', { type: 'button', class: 'navbtn', 'aria-label': '不扫了', onclick: () => phone.scanned(null) }, icon('close', 23)), h('div', { class: 'ttl' }, '扫一扫')),
      ),
      finder(),
      this.sheet,
    )
  }

  /** Show it; `question` replaces the heading when a menu or the mini-program asked for a scan. */
  async open(question) {
    this.title.textContent = question ?? '让镜头对准哪个码？'
    this.input.value = ''
    this.button.disabled = true
    if (!this.picks.children.length) this.picks.replaceChildren(h('p', { class: 'empty' }, '正在看附近有哪些码…'))
    try {
      this.draw(await api.qrs())
    } catch (error) {
      this.picks.replaceChildren(h('p', { class: 'empty' }, `${error.message}。可以自己输入一段内容。`))
    }
    this.update()
  }

  draw(qrs) {
    // An invite is good for one scan.
    const usedUp = (qr) => qr.scans > 0 && groupOf(qr) === GROUPS[2]
    const found = [...this.screens(), ...qrs.filter((qr) => qr.kind !== 'screen' && !usedUp(qr))]
    const [screen, poster, invite, ...rest] = GROUPS
    const starting = isClerk(this.phone.person) && !this.phone.chat.isStaff
    const order = starting ? [screen, invite, poster, ...rest] : GROUPS
    const rows = order.flatMap((heading) => {
      const inside = found.filter((qr) => groupOf(qr) === heading)
      return inside.length ? [h('div', { class: 'group' }, heading), ...inside.reverse().map((qr) => this.row(qr))] : []
    })
    this.picks.replaceChildren(...(rows.length ? rows : [h('p', { class: 'empty' }, '还没有任何码。门店的码由后台生成，稍等再来，或者自己输入一段内容。')]))
    const mine = found.find((qr) => qr.kind === 'screen') ?? (starting && found.find((qr) => qr.title.startsWith(this.phone.person.name) && !qr.expired))
    const inputs = [...this.picks.querySelectorAll('input')]
    const chosen = inputs.find((input) => input.value === mine?.text) ?? inputs[0]
    if (chosen) chosen.checked = true
    this.picks.scrollTop = 0
    chosen?.parentElement.scrollIntoView({ block: 'nearest' })
  }

  screens() {
    const { other } = this.phone
    if (!other?.screen) return []
    return [{ kind: 'screen', text: other.screen.qr, title: `${other.person.name}的${other.screen.label ?? '屏幕'}`, note: '正亮在旁边的手机上' }]
  }

  /** The other phone's screen changed while this dialog is open: its row always holds the newest code. */
  screenChanged() {
    const live = this.picks.querySelector('[data-kind="screen"]')
    const [now] = this.screens()
    if (live && now) {
      const row = this.row(now)
      row.querySelector('input').checked = live.querySelector('input').checked
      live.replaceWith(row)
    } else if (live || now) this.open(this.title.textContent)
  }

  row(qr) {
    return h(
      'label',
      { class: 'qrpick', data: { kind: qr.kind } },
      h('input', { class: 'hide-input', type: 'radio', name: this.name, value: qr.text }),
      h('span', { class: 'q' }, h('img', { src: picture(qr.text), alt: '', width: '46', height: '46' })),
      h('span', { class: 'qt' }, h('b', { class: 'cut' }, qr.title, qr.kind === 'screen' && h('span', { class: 'live' }, '亮着')), h('small', { class: 'cut' }, qr.expired ? '过期了，用来试「码失效」' : (qr.note ?? ''))),
      h('span', { class: 'radio' }, icon('check', 14, 3.2)),
    )
  }

  picked() {
    return this.input.value.trim() || this.picks.querySelector('input:checked')?.value || ''
  }

  update() {
    this.button.disabled = !this.picked()
  }

  submit() {
    const text = this.picked()
    if (text) this.phone.scanned(text)
  }
}

function finder() {
  const svg = document.createElementNS(SVG, 'svg')
  for (const [name, value] of Object.entries({ class: 'finder', width: 172, height: 136, viewBox: '0 0 240 190', 'aria-hidden': 'true' })) svg.setAttribute(name, value)
  const path = (d, parent, more = {}) => {
    const element = document.createElementNS(SVG, 'path')
    for (const [name, value] of Object.entries({ d, ...more })) element.setAttribute(name, value)
    parent.append(element)
  }
  path('M4 34V16A12 12 0 0 1 16 4h18M206 4h18a12 12 0 0 1 12 12v18M236 156v18a12 12 0 0 1-12 12h-18M34 186H16a12 12 0 0 1-12-12v-18', svg)
  const beam = document.createElementNS(SVG, 'g')
  beam.setAttribute('class', 'beam')
  path('M20 95H220', beam, { 'stroke-width': 2.5 })
  path('M20 95H220L206 60H34Z', beam, { fill: '#9fb2f0', stroke: 'none', opacity: 0.14 })
  svg.append(beam)
  return svg
}
