/* Four switches that make the sandbox misbehave, and the lights that show whether the shop minds. */

import { h } from './dom.js'
import { api } from './api.js'
import { sayError } from './toast.js'

const PUSHES = 'official.push,pay.notify'
const SWITCHES = [
  { kind: 'delay', name: '延迟', note: '通知晚 8 秒才到', faults: [{ api: PUSHES, seconds: 8, times: null }] },
  { kind: 'duplicate', name: '重复', note: '同一条消息送 3 次', faults: [{ api: PUSHES, copies: 3, times: null }] },
  {
    kind: 'drop_after',
    name: '丢掉应答',
    note: '收到了，回话丢了',
    faults: [{ api: PUSHES, times: null }, { api: 'pay.prepay', times: 1 }, { api: 'pay.refund', times: 1 }],
  },
  { kind: 'wrong_signature', name: '签名错误', note: '先来一条伪造的', faults: [{ api: PUSHES, times: null }] },
]

const buttons = new Map()
let current = []

export function startFaults() {
  const box = document.getElementById('faults')
  for (const item of SWITCHES) {
    const button = h(
      'button',
      { type: 'button', class: 'f', role: 'switch', 'aria-checked': 'false', onclick: () => flip(item) },
      h('span', {}, h('span', { class: 'a' }, item.name), h('span', { class: 'b2 cut' }, item.note)),
      h('span', { class: 'tg' }),
    )
    buttons.set(item.kind, button)
    box.append(button)
  }
}

/** Read the switches again: a fault that was used up turns itself off. */
export async function refreshFaults() {
  current = await api.faults().catch(() => current)
  for (const [kind, button] of buttons) button.setAttribute('aria-checked', String(current.some((fault) => fault.kind === kind)))
}

async function flip(item) {
  const button = buttons.get(item.kind)
  const on = button.getAttribute('aria-checked') === 'true'
  button.setAttribute('aria-checked', String(!on))
  try {
    if (on) await api.clearFaults(item.kind)
    else for (const fault of item.faults) await api.setFault({ kind: item.kind, ...fault })
  } catch (error) {
    sayError(error)
  }
  await refreshFaults()
}

/** `lights` is [{name, state: "good"|"busy"|"bad"|"unknown", note}]. */
export function showHealth(lights) {
  const list = document.getElementById('health')
  list.replaceChildren(...lights.map(({ name, state, note }) => h('li', { class: state, title: note ?? '' }, h('i'), name)))
}
