/* One line at the foot of the page. */

import { h } from './dom.js'

export function toast(text, { bad = false } = {}) {
  const line = h('p', { class: bad ? 'toast bad' : 'toast' }, text)
  const box = document.getElementById('toasts')
  box.append(line)
  while (box.children.length > 3) box.firstChild.remove()
  setTimeout(() => line.remove(), bad ? 5000 : 2600)
}

/** For the end of a promise chain that nobody else watches. */
export const sayError = (error) => toast(error.message, { bad: true })
