/* The official account on one phone: messages, the menu this person sees, the keyboard. */

import { h, hm, icon, rove } from './dom.js'
import { api } from './api.js'
import { bubble } from './cards.js'
import { face, isClerk } from './people.js'
import { sayError, toast } from './toast.js'

const { official: appid, officialName, mini, static: files } = document.body.dataset
const PAUSE = 5 * 60_000 // a time is written above a message that comes this long after the one before

export class Chat {
  /** `phone` opens things: phone.web, phone.mini, phone.askScan, phone.tab, phone.sheet. */
  constructor(phone) {
    this.phone = phone
    this.open = {
      web: (url, title) => phone.web(url, title),
      mini: (to, path) => phone.mini(path, to),
      say: (text) => this.say(text),
      receive: (transaction) => this.receive(transaction),
    }
    this.subtitle = h('small', { class: 'cut' }, '演示账号')
    this.list = h('div', { class: 'msgs', role: 'log', 'aria-label': '聊天', tabindex: '0' })
    this.bar = h('div', { class: 'mbar' })
    this.element = h(
      'div',
      { class: 'view chat' },
      h(
        'div',
        { class: 'bar' },
        h(
          'div',
          { class: 'nav' },
          h('button', { type: 'button', class: 'navbtn', 'aria-label': '扫一扫', onclick: () => phone.tab('scan') }, icon('scan', 23)),
          h('div', { class: 'ttl' }, h('span', { class: 'cut' }, officialName), this.subtitle),
          h('button', { type: 'button', class: 'navbtn', 'aria-label': '账号资料', onclick: () => this.profile() }, icon('person', 24)),
        ),
      ),
      this.list,
      this.bar,
    )
    this.clear()
  }

  clear() {
    this.shown = null
    this.menu = undefined
    this.followed = null
    this.isStaff = false
    this.typing = false
    this.seen = 0
    this.list.replaceChildren()
    this.bar.replaceChildren()
  }

  /** Read the chat again and draw what changed. */
  async refresh() {
    const { person } = this.phone
    let chat
    let notices
    try {
      ;[chat, notices] = await Promise.all([api.chat(person.id, appid), mini ? api.chat(person.id, mini) : { messages: [] }])
    } catch (error) {
      if (this.shown === null) this.fail(error)
      return
    }
    if (person.id !== this.phone.person.id) return
    this.followed = chat.followed
    this.isStaff = Boolean(chat.menu?.conditional)
    this.subtitle.textContent = chat.subtitle ?? (chat.followed ? '已关注 · 演示账号' : '还没有关注')
    const messages = [...chat.messages, ...notices.messages].sort((left, right) => left.id - right.id)
    this.drawMessages(messages)
    this.drawMenu(chat.followed ? chat.menu : null)
  }

  drawMessages(messages) {
    if (!messages.length) {
      this.shown = 0
      this.list.replaceChildren(this.followed ? h('div', { class: 'grey' }, '还没有消息。下面是菜单，左边的键盘用来说话') : this.stranger())
      return
    }
    const first = this.shown === null || this.shown === 0
    const newest = messages.at(-1).id
    if (!first && newest === this.shown) return
    const before = this.shown ?? 0
    const rows = []
    let last = 0
    for (const message of messages) {
      const at = Date.parse(message.at)
      if (at - last > PAUSE) rows.push(h('div', { class: 'when' }, hm(at)))
      last = at
      rows.push(this.row(message, !first && message.id > before))
    }
    if (!this.followed) rows.push(h('div', { class: 'grey' }, '现在没有关注，收不到新消息'), this.comeBack())
    this.list.replaceChildren(...rows)
    this.shown = newest
    if (!first && messages.some((message) => message.id > before && (message.from ?? message.sender) === 'account')) this.phone.noticed('chat')
    this.toEnd()
  }

  row(message, fresh) {
    const sender = message.from ?? message.sender
    if (sender === 'system' || message.kind === 'notice') return h('div', { class: 'grey' }, message.text)
    const mine = sender === 'me'
    const avatar = mine ? face(this.phone.person) : h('img', { class: 'face', src: `${files}art/logotea.svg`, alt: officialName })
    return h('div', { class: `msg${mine ? ' me' : ''}${fresh ? ' new' : ''}` }, avatar, bubble(message, this.open))
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight
    for (const image of this.list.querySelectorAll('img.pic')) image.addEventListener('load', () => (this.list.scrollTop = this.list.scrollHeight), { once: true })
  }

  stranger() {
    return h(
      'div',
      { class: 'blank' },
      h('img', { src: `${files}art/empty.svg`, alt: '' }),
      h('h3', {}, `${this.phone.person.name}还没关注${officialName}`),
      h('p', {}, isClerk(this.phone.person) ? '扫老板给的店员邀请，关注就算上岗' : '扫门店的海报关注，会记住是从哪家店来的'),
      h('button', { type: 'button', class: 'pill', onclick: () => this.phone.tab('scan') }, icon('scan', 20), '去扫一扫'),
      h('button', { type: 'button', class: 'textlink', onclick: () => this.follow() }, '不扫码，直接关注'),
    )
  }

  comeBack() {
    return h('div', { class: 'grey' }, h('button', { type: 'button', class: 'textlink', onclick: () => this.follow() }, '重新关注'))
  }

  fail(error) {
    this.list.replaceChildren(
      h(
        'div',
        { class: 'blank' },
        h('img', { src: `${files}art/error.svg`, alt: '' }),
        h('h3', {}, '聊天没有打开'),
        h('p', {}, error.message),
        h('button', { type: 'button', class: 'pill', onclick: () => this.refresh() }, icon('reload', 20), '再试一次'),
      ),
    )
  }

  follow() {
    return api.follow(this.phone.person.id, appid).then(() => this.refresh(), sayError)
  }

  /* ---- the menu and the keyboard ---- */

  drawMenu(menu) {
    const key = JSON.stringify([this.followed, menu, this.typing])
    if (key === this.menu) return
    this.menu = key
    this.buttons = menu?.button ?? []
    this.closePop()
    if (!this.followed) return this.bar.replaceChildren(h('span', { class: 'notice' }, '关注后才能说话'))
    if (this.typing || !this.buttons.length) return this.drawKeyboard()
    const toggle = h('button', { type: 'button', class: 'kb', 'aria-label': '改用键盘', onclick: () => this.type(true) }, icon('keyboard', 25))
    const items = this.buttons.map((button, index) => {
      const sub = button.sub_button?.length
      return h(
        'button',
        { type: 'button', class: 'm', 'aria-haspopup': sub ? 'menu' : null, 'aria-expanded': sub ? 'false' : null, onclick: (event) => (sub ? this.pop(index, event.currentTarget) : this.tap(button, [index])) },
        h('span', { class: 'cut' }, button.name),
      )
    })
    this.bar.replaceChildren(toggle, ...items)
  }

  drawKeyboard() {
    const send = h('button', { type: 'submit', disabled: true }, '发送')
    const input = h('input', { type: 'text', maxlength: '300', 'aria-label': '说点什么', placeholder: '说点什么', autocomplete: 'off', enterkeyhint: 'send', oninput: () => (send.disabled = !input.value.trim()) })
    const form = h('form', {}, input, send)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const text = input.value.trim()
      if (!text) return
      input.value = ''
      send.disabled = true
      this.say(text)
    })
    const toggle = this.buttons.length && h('button', { type: 'button', class: 'kb', 'aria-label': '回到菜单', onclick: () => this.type(false) }, icon('menu', 24))
    const picture = h('button', { type: 'button', class: 'kb', 'aria-label': '发图片', onclick: () => this.pickPicture() }, icon('picture', 24))
    this.bar.replaceChildren(...[toggle, form, picture].filter(Boolean))
    if (this.typing) input.focus()
  }

  type(typing) {
    this.typing = typing
    this.drawMenu({ button: this.buttons })
  }

  pop(index, anchor) {
    const was = anchor.getAttribute('aria-expanded') === 'true'
    this.closePop()
    if (was) return
    anchor.setAttribute('aria-expanded', 'true')
    const { sub_button: items } = this.buttons[index]
    const list = h('div', { class: 'mpop', role: 'menu', 'aria-label': this.buttons[index].name }, items.map((item, place) => h('button', { type: 'button', role: 'menuitem', onclick: () => this.tap(item, [index, place]) }, item.name)))
    this.element.append(list)
    const middle = anchor.offsetLeft + anchor.offsetWidth / 2
    const left = Math.min(Math.max(8, middle - list.offsetWidth / 2), 382 - list.offsetWidth)
    list.style.setProperty('left', `${left}px`)
    list.style.setProperty('--tip', `${middle - left}px`)
    rove(list, 'button')
    list.firstChild.focus({ preventScroll: true })
    this.popped = { list, anchor }
    this.outside = (event) => !list.contains(event.target) && !anchor.contains(event.target) && this.closePop()
    document.addEventListener('pointerdown', this.outside, true)
    list.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return
      this.closePop()
      anchor.focus()
    })
  }

  closePop() {
    if (!this.popped) return
    document.removeEventListener('pointerdown', this.outside, true)
    this.popped.list.remove()
    this.popped.anchor.setAttribute('aria-expanded', 'false')
    this.popped = null
  }

  async tap(button, path) {
    this.closePop()
    const { person } = this.phone
    const scans = button.type?.startsWith('scancode')
    const scanned = scans ? await this.phone.askScan(`给「${button.name}」扫一个码`) : undefined
    if (scans && scanned === null) return
    const told = api.tap(person.id, appid, path, scanned)
    if (button.type === 'view') this.phone.web(button.url, button.name)
    else if (button.type === 'miniprogram') this.phone.mini(button.pagepath, button.appid)
    await told.catch(sayError)
    if (scans && scanned && button.type === 'scancode_push') this.phone.opened({ kind: /^https?:/.test(scanned) ? 'web' : 'text', url: scanned, text: scanned })
    this.refresh()
  }

  /** WeChat's own sheet of a purchase: the buyer has it, and the shop gets its money. */
  async receive(transaction) {
    try {
      await api.receive(this.phone.person.id, transaction)
      toast('已确认收货')
      this.refresh()
    } catch (error) {
      sayError(error)
    }
  }

  async say(text) {
    const row = h('div', { class: 'msg me new' }, face(this.phone.person), h('div', { class: 'bb sending' }, text))
    this.list.append(row)
    this.toEnd()
    try {
      await api.say(this.phone.person.id, appid, text)
      this.refresh()
    } catch (error) {
      row.append(h('span', { class: 'fail' }, '没发出去'))
      sayError(error)
    }
  }

  /** What the album has: one that is drawn, or a file of this computer. */
  pickPicture() {
    const close = this.phone.sheet('发图片', (sheet) => {
      const file = h('input', { type: 'file', accept: 'image/jpeg,image/png,image/gif', class: 'hide-input', 'aria-label': '从电脑选一张' })
      file.addEventListener('change', async () => {
        if (!file.files.length) return
        close()
        this.show({ image: await base64(file.files[0]) })
      })
      sheet.append(
        h('div', { class: 'ask' }, h('h3', {}, '发哪一张？')),
        h('button', { type: 'button', class: 'album', onclick: () => { close(); this.show({ name: 'spilt' }) } }, h('img', { src: '/sandbox/media/sandbox-picture-spilt', alt: '洒了的奶茶', width: '120', height: '90' }), h('span', {}, '洒了的奶茶')),
        h('button', { type: 'button', class: 'paybtn', onclick: () => file.click() }, '从电脑选一张'),
        file,
        h('button', { type: 'button', class: 'nobtn', onclick: () => close() }, '不发了'),
      )
    })
  }

  show(picture) {
    return api.show(this.phone.person.id, appid, picture).then(() => this.refresh(), sayError)
  }

  profile() {
    const close = this.phone.sheet('账号资料', (sheet) => {
      const act = this.followed
        ? h('button', { type: 'button', class: 'nobtn', onclick: () => { close(); api.unfollow(this.phone.person.id, appid).then(() => { toast(`${this.phone.person.name}取消了关注`); this.shown = null; this.refresh() }, sayError) } }, '取消关注')
        : h('button', { type: 'button', class: 'paybtn', onclick: () => { close(); this.follow() } }, '关注')
      sheet.append(
        h('div', { class: 'ask account' }, h('h3', {}, officialName), h('p', {}, '现做茶饮，就在街角。这里是沙箱里的演示账号，消息都会真的签名和加密。')),
        act,
        h('button', { type: 'button', class: 'nobtn', onclick: () => close() }, '返回聊天'),
      )
    })
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onerror = () => reject(reader.error)
    reader.onload = () => resolve(reader.result.split(',')[1])
    reader.readAsDataURL(file)
  })
}
