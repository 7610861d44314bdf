/* Making elements without markup strings, so that no text from outside can become markup. */

import { ICONS } from './icons.js'

const SVG = 'http://www.w3.org/2000/svg'

/** h('button', {class: 'x', onclick, 'aria-label': '…', data: {id}}, child, [children], 'text', null) */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (name === 'data') Object.assign(element.dataset, value)
    else if (name === 'class') element.className = value
    else if (name in element && typeof value !== 'string') element[name] = value
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

/** A line icon on a 24 grid; decorative unless its button is labelled. */
export function icon(name, size = 22, weight = 1.8) {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', '0 0 24 24')
  svg.setAttribute('width', size)
  svg.setAttribute('height', size)
  svg.setAttribute('class', 'ic')
  svg.setAttribute('aria-hidden', 'true')
  svg.setAttribute('stroke-width', weight)
  for (const d of ICONS[name]) {
    const path = document.createElementNS(SVG, 'path')
    path.setAttribute('d', d)
    svg.append(path)
  }
  return svg
}

/** Text with **strong** parts. */
export function rich(text) {
  return String(text)
    .split(/\*\*(.+?)\*\*/)
    .map((part, index) => (index % 2 ? h('b', {}, part) : part))
}

const clockTime = new Intl.DateTimeFormat('zh-CN', { timeZone: 'Asia/Shanghai', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
const wallTime = new Intl.DateTimeFormat('zh-CN', { timeZone: 'Asia/Shanghai', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
const day = new Intl.DateTimeFormat('zh-CN', { timeZone: 'Asia/Shanghai', month: 'long', day: 'numeric' })

const date = (at) => (at instanceof Date ? at : new Date(typeof at === 'number' && at < 1e12 ? at * 1000 : at))

export const hms = (at) => clockTime.format(date(at))
export const hm = (at) => wallTime.format(date(at))
export const monthDay = (at) => day.format(date(at))
export const yuan = (fen) => (fen / 100).toFixed(2)

/** Call `run` once, `delay` after the last of a burst of calls. */
export function settle(run, delay = 120) {
  let timer = 0
  return () => {
    clearTimeout(timer)
    timer = setTimeout(run, delay)
  }
}

/** Arrow keys move among `buttons` of a tab list or menu; Home and End jump. */
export function rove(container, selector) {
  container.addEventListener('keydown', (event) => {
    const items = [...container.querySelectorAll(selector)].filter((item) => !item.disabled && item.offsetParent)
    const at = items.indexOf(document.activeElement)
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key]
    if (at < 0 || to === undefined) return
    event.preventDefault()
    items[(to + items.length) % items.length].focus()
  })
}
