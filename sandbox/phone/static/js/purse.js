/* The purse: the payment code that the counter scans, the password it may ask for, and codes of shops that this phone scanned. */

import { h, icon, yuan } from './dom.js'
import { api } from './api.js'
import { sayError, toast } from './toast.js'

const ASK_MS = 2000
const picture = (text) => `/sandbox/qr.svg?${new URLSearchParams({ text })}`
const groups = (code) => code.replace(/(.{4})(?=.)/g, '$1 ')

function head(badge, close) {
  return h('div', { class: 'head' }, h('button', { type: 'button', class: 'x', 'aria-label': '关闭', onclick: close }, icon('close', 22)), h('span', { class: 'badge-sb' }, badge))
}

/** The code stands on the screen until it is closed; a new one every minute, and after each payment. */
export function showCode(phone) {
  let open = true
  let asksPassword = false
  let fresh = 0
  const place = h('div', { class: 'pcode' })
  const note = h('p', { class: 'terms' })
  const asked = h('div', { 'aria-live': 'polite' })
  const box = h('input', { class: 'hide-input', type: 'checkbox' })
  const close = phone.sheet('付款码', (sheet) => {
    sheet.append(
      head('沙箱付款码 · 不扣真钱', () => close()),
      asked,
      place,
      note,
      h('div', { class: 'choices' }, h('label', { class: 'choice' }, box, h('span', {}, '每次都要输密码', h('small', {}, '关掉的话，小额免密')), h('span', { class: 'radio' }, icon('check', 14, 3.2)))),
    )
  }, () => {
    open = false
    phone.setScreen(null)
  })

  async function renew(change) {
    const given = await api.paymentCode(phone.person.id, change)
    fresh = Date.now() + given.seconds * 1000
    asksPassword = given.asks_password
    box.checked = asksPassword
    place.replaceChildren(h('img', { src: picture(given.code), alt: '付款码', width: '180', height: '180' }), h('button', { type: 'button', class: 'nobtn', onclick: () => copy(given.code) }, groups(given.code)))
    note.textContent = `给收款的人扫，或点数字抄下来。每分钟换一个；超过 ¥${yuan(given.password_above_fen)} 要输密码`
    phone.setScreen({ qr: given.code, label: '付款码' })
  }

  async function look() {
    if (!open) return
    try {
      const waiting = await api.asked(phone.person.id)
      asked.replaceChildren(...waiting.map((bill) => question(phone, bill)))
      if (Date.now() > fresh) await renew({})
    } catch (error) {
      note.textContent = error.message
    }
    setTimeout(look, ASK_MS)
  }

  box.addEventListener('change', () => renew({ asks_password: box.checked }).catch(sayError))
  renew({}).then(look, sayError)
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code)
    toast('付款码抄好了，贴到收款页里')
  } catch {
    toast(`付款码 ${code}`)
  }
}

function question(phone, bill) {
  const say = async (outcome) => {
    try {
      await api.answerAsked(phone.person.id, bill.out_trade_no, outcome)
      toast(outcome === 'ok' ? `付了 ¥${yuan(bill.amount_fen)}` : '没有付')
    } catch (error) {
      sayError(error)
    }
  }
  return h(
    'div',
    {},
    h('div', { class: 'payee' }, h('div', {}, `付给 ${bill.payee}`), h('div', { class: 'sum' }, h('small', {}, '¥'), yuan(bill.amount_fen))),
    h('div', { class: 'two' }, h('button', { type: 'button', class: 'nobtn', onclick: () => say('cancel') }, '不付'), h('button', { type: 'button', class: 'paybtn', onclick: () => say('ok') }, '输密码，付款')),
  )
}

/** A shop's code was scanned: pay it or not. */
export async function payScanned(phone, code) {
  const bill = await api.prepay(code)
  const close = phone.sheet('扫码付款', (sheet) => {
    const warn = h('p', { class: 'warn', role: 'alert', hidden: true })
    const pay = h('button', { type: 'button', class: 'paybtn' }, `确认付款 ¥${yuan(bill.amount_fen)}`)
    pay.addEventListener('click', async () => {
      pay.disabled = true
      try {
        await api.payScanned(phone.person.id, code)
        toast(`付了 ¥${yuan(bill.amount_fen)}`)
        close()
      } catch (error) {
        warn.textContent = error.message.replace(/^requestPayment:fail /, '没有付成：')
        warn.hidden = false
        pay.disabled = false
      }
    })
    sheet.append(
      head('沙箱付款 · 不扣真钱', () => close()),
      h('div', { class: 'payee' }, h('div', {}, `付给 ${bill.payee}`), h('div', { class: 'sum' }, h('small', {}, '¥'), yuan(bill.amount_fen))),
      warn,
      pay,
      h('button', { type: 'button', class: 'nobtn', onclick: () => close() }, '不付了'),
    )
    pay.focus({ preventScroll: true })
  })
}
