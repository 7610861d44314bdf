/* How big the phones are drawn, and which one is in view when the window is too small for both. */

import { h, rove } from './dom.js'

const WIDE = 1240
const NARROW = 820
const LIFE = { width: 390, height: 830 }
/** In a low window the phones get shorter before they get smaller than this; a phone this short still exists. */
const LEGIBLE = 0.74
const SHORT = 720

function fit() {
  const root = document.documentElement
  const { innerWidth: width, innerHeight: height } = window
  const taken = document.querySelector('.top').offsetHeight + document.getElementById('views').offsetHeight
  if (width < NARROW) {
    const k = Math.min(1, width / LIFE.width)
    const left = Math.max(480, height - taken - 44 - 16)
    root.style.setProperty('--k', k)
    root.style.setProperty('--screen', `${Math.round(left / k)}px`)
    return
  }
  const phones = width < WIDE ? 1 : 2
  const room = height - taken - 12 - 20 - 44 - 8 - 20 - (phones === 1 ? 12 : 0)
  const tall = Math.round(Math.max(SHORT, Math.min(LIFE.height, room / LEGIBLE)))
  const byHeight = room / tall
  const byWidth = ((width - 56 - 20 * phones - 380) / phones - 20) / LIFE.width
  root.style.setProperty('--k', Math.max(0.6, Math.min(1, byHeight, byWidth)).toFixed(4))
  root.style.setProperty('--screen', `${tall}px`)
}

/** Which of "a", "b" and "side" is in view; wide windows show them all anyway. */
export function show(view) {
  document.body.dataset.view = view
  for (const tab of document.querySelectorAll('#views button')) {
    tab.setAttribute('aria-selected', tab.dataset.view === view)
    tab.tabIndex = tab.dataset.view === view ? 0 : -1
    if (tab.dataset.view === view) tab.querySelector('.badge')?.remove()
  }
}

const tabOf = (view) => document.querySelector(`#views button[data-view="${view}"]`)

export function nameView(view, name) {
  tabOf(view).textContent = name
}

/** Something arrived on a phone that may be out of sight. */
export function markView(view) {
  const tab = tabOf(view)
  if (document.body.dataset.view !== view && !tab.querySelector('.badge')) tab.append(h('span', { class: 'badge', role: 'img', 'aria-label': '有新消息' }))
}

export function startLayout() {
  const views = document.getElementById('views')
  for (const [view, name] of [['a', '顾客'], ['b', '店员'], ['side', '正在发生什么']]) {
    views.append(h('button', { type: 'button', role: 'tab', data: { view }, onclick: () => show(view) }, name))
  }
  rove(views, 'button')
  show('a')
  new ResizeObserver(fit).observe(document.querySelector('.top'))
  window.addEventListener('resize', fit)
  fit()
}
