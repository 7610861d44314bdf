/* What the system asks on a phone: may this be paid, may this be sent, which number, where are you. */

import { h, icon, yuan } from './dom.js'
import { api } from './api.js'
import { Refused } from './bridge.js'
import { loadPeople } from './people.js'

const PLACES = [
  { name: '静安寺', note: '静安寺店门口', latitude: 31.2235, longitude: 121.4453 },
  { name: '徐家汇', note: '徐汇店附近', latitude: 31.1954, longitude: 121.4365 },
  { name: '陆家嘴', note: '浦东，离门店远一些', latitude: 31.2397, longitude: 121.4998 },
]

const mark = () => h('span', { class: 'radio' }, icon('check', 14, 3.2))
const head = (badge, onclose) =>
  h('div', { class: 'head' }, h('button', { type: 'button', class: 'x', 'aria-label': '关闭', onclick: onclose }, icon('close', 22)), h('span', { class: 'badge-sb' }, badge))

/** One question on `phone`; `build(sheet, answer)` fills it, `answer(value)` closes it. Closing it any other way answers null. */
function ask(phone, label, build) {
  return new Promise((resolve) => {
    let said = null
    const close = phone.sheet(label, (sheet) => build(sheet, (value) => { said = value; close() }), () => resolve(said))
  })
}

/** Resolves when the sandbox took the payment; throws `Refused` when it was cancelled. */
export async function payDialog(phone, appid, params) {
  const prepayId = String(params.package ?? '').replace(/^prepay_id=/, '')
  const [bill] = await Promise.all([api.prepay(prepayId).catch(() => null), loadPeople().catch(() => {})])
  const outcome = (result) => api.pay(phone.person.id, { appid, ...params, outcome: result })
  const paid = await ask(phone, '沙箱付款', (sheet, answer) => {
    const sum = bill ? yuan(bill.amount_fen) : '—'
    const pay = h('button', { type: 'button', class: 'paybtn' }, bill ? `确认付款 ¥${sum}` : '确认付款')
    const until = h('div', { class: 'until' })
    const warn = h('p', { class: 'warn', role: 'alert', hidden: true })
    const ways = h(
      'div',
      { class: 'ways', role: 'radiogroup', 'aria-label': '怎么付' },
      way('wallet', '沙箱零钱', phone.person.balance_fen === undefined ? '免密支付' : `余额 ¥${Number(yuan(phone.person.balance_fen)).toLocaleString('zh-CN', { minimumFractionDigits: 2 })}`, 'ok', true),
      way('phone', '沙箱银行卡（尾号 8888）', '每次都提示余额不足', 'broke', false),
    )
    pay.addEventListener('click', async () => {
      warn.hidden = true
      if (sheet.querySelector('[name="way"]:checked').value === 'broke') {
        outcome('insufficient').catch(() => {})
        warn.textContent = '这张卡余额不足，没有扣款。换沙箱零钱再付。'
        warn.hidden = false
        return
      }
      pay.disabled = true
      pay.classList.add('busy')
      pay.replaceChildren(h('span', { class: 'spin' }), '付款中')
      try {
        await outcome('ok')
        answer(true)
      } catch (error) {
        warn.textContent = error.message.replace(/^requestPayment:fail /, '没有付成：')
        warn.hidden = false
        pay.disabled = false
        pay.classList.remove('busy')
        pay.replaceChildren(`确认付款 ¥${sum}`)
      }
    })
    sheet.append(
      head('沙箱付款 · 不扣真钱', () => answer(false)),
      h('div', { class: 'payee' }, h('div', {}, `付给 ${bill?.payee ?? '商家'}`), h('div', { class: 'sum' }, h('small', {}, '¥'), sum), until),
      ways,
      warn,
      pay,
      h('button', { type: 'button', class: 'nobtn', onclick: () => answer(false) }, '不付了，回到订单'),
    )
    if (bill?.seconds_left) countdown(until, bill.seconds_left * 1000)
    pay.focus({ preventScroll: true })
  })
  if (paid) return {}
  await outcome('cancel').catch(() => {})
  throw new Refused('requestPayment:fail cancel', -2)
}

function way(name, title, note, value, checked) {
  return h(
    'label',
    { class: 'way' },
    h('input', { class: 'hide-input', type: 'radio', name: 'way', value, checked }),
    h('span', { class: 'wi' }, icon(name, 20, 1.9)),
    h('span', { class: 'wt' }, title, h('small', {}, note)),
    mark(),
  )
}

function countdown(line, left) {
  const end = Date.now() + left
  const draw = () => {
    const seconds = Math.max(0, Math.round((end - Date.now()) / 1000))
    line.textContent = seconds ? `还剩 ${Math.floor(seconds / 60)} 分 ${seconds % 60} 秒` : '付款单已经失效，回到订单再来一次'
    if (line.isConnected && seconds) setTimeout(draw, 1000)
  }
  requestAnimationFrame(draw)
}

/** What somebody ticked "always" for: asked again, the dialog does not show and the same answer counts. */
const kept = new Map()

/** The person ticks what may be sent; answers {template: "accept"|"reject"}. */
export async function subscribeDialog(phone, appid, templates, names) {
  const key = (id) => `${phone.person.id}|${appid}|${id}`
  if (templates.every((id) => kept.has(key(id)))) {
    const same = Object.fromEntries(templates.map((id) => [id, kept.get(key(id))]))
    await api.subscribe(phone.person.id, appid, same)
    return same
  }
  const always = h('input', { class: 'hide-input', type: 'checkbox' })
  const answers = await ask(phone, '订阅消息', (sheet, answer) => {
    const boxes = templates.map((id) => ({ id, box: h('input', { class: 'hide-input', type: 'checkbox', checked: true }) }))
    const all = (value) => Object.fromEntries(boxes.map(({ id, box }) => [id, value && box.checked ? 'accept' : 'reject']))
    const allow = h('button', { type: 'button', class: 'paybtn', onclick: () => answer(all(true)) }, '允许')
    sheet.append(
      head('沙箱 · 订阅消息', () => answer(all(false))),
      h('div', { class: 'ask' }, h('h3', {}, '允许发给你这些消息吗？'), h('p', {}, '每允许一次，可以发一条。')),
      h('div', { class: 'choices' }, boxes.map(({ id, box }) => h('label', { class: 'choice' }, box, h('span', {}, names[id] ?? '服务消息', h('small', {}, '一次性订阅')), mark()))),
      h('div', { class: 'choices' }, h('label', { class: 'choice' }, always, h('span', {}, '总是保持以上选择，不再询问'), mark())),
      h('div', { class: 'two' }, h('button', { type: 'button', class: 'nobtn', onclick: () => answer(all(false)) }, '不允许'), allow),
    )
    allow.focus({ preventScroll: true })
  })
  const said = answers ?? Object.fromEntries(templates.map((id) => [id, 'reject']))
  if (answers && always.checked) for (const id of templates) kept.set(key(id), said[id])
  await api.subscribe(phone.person.id, appid, said)
  return said
}

/** A code the shop exchanges for the phone number. */
export async function phoneDialog(phone, appid) {
  const agreed = await ask(phone, '手机号', (sheet, answer) => {
    const allow = h('button', { type: 'button', class: 'paybtn', onclick: () => answer(true) }, '允许')
    sheet.append(
      head('沙箱 · 手机号', () => answer(false)),
      h('div', { class: 'ask' }, h('h3', {}, '把手机号给这家店吗？'), h('p', {}, `${phone.person.name}的号码 ${hidden(phone.person.phone)}，由沙箱给出`)),
      h('div', { class: 'two' }, h('button', { type: 'button', class: 'nobtn', onclick: () => answer(false) }, '不允许'), allow),
    )
    allow.focus({ preventScroll: true })
  })
  if (!agreed) throw new Refused('getPhoneNumber:fail user deny')
  const { code } = await api.phoneCode(phone.person.id, appid)
  return { code }
}

const hidden = (number) => (number ? `${number.slice(0, 3)}****${number.slice(-4)}` : '')

/** Asked once per phone; then the place stands until the phone changes hands. */
export async function locationDialog(phone) {
  phone.place ??= await ask(phone, '位置', (sheet, answer) => {
    const rows = PLACES.map((place, index) =>
      h('label', { class: 'choice round' }, h('input', { class: 'hide-input', type: 'radio', name: 'place', value: index, checked: index === 0 }), h('span', {}, place.name, h('small', {}, place.note)), mark()),
    )
    const allow = h('button', { type: 'button', class: 'paybtn', onclick: () => answer(PLACES[sheet.querySelector('[name="place"]:checked').value]) }, '允许')
    sheet.append(
      head('沙箱 · 位置', () => answer('no')),
      h('div', { class: 'ask' }, h('h3', {}, `${phone.person.name}现在在哪？`), h('p', {}, '小程序想知道附近有哪些门店。')),
      h('div', { class: 'choices', role: 'radiogroup', 'aria-label': '位置' }, rows),
      h('div', { class: 'two' }, h('button', { type: 'button', class: 'nobtn', onclick: () => answer('no') }, '不允许'), allow),
    )
    allow.focus({ preventScroll: true })
  })
  if (!phone.place || phone.place === 'no') {
    phone.place = null
    throw new Refused('getLocation:fail auth deny')
  }
  const { latitude, longitude } = phone.place
  return { latitude, longitude }
}

/** A text that a code held and that is no address. */
export function textDialog(phone, text) {
  const close = phone.sheet('扫到的内容', (sheet) => {
    sheet.append(
      head('沙箱 · 扫一扫', () => close()),
      h('div', { class: 'ask' }, h('h3', {}, '扫到一段文字'), h('p', {}, text)),
      h('button', { type: 'button', class: 'paybtn', onclick: () => close() }, '知道了'),
    )
  })
}
