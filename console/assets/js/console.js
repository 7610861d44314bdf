import '../scss/console.scss'
import 'htmx.org'
import 'htmx.org/dist/ext/hx-sse.js'
import { prepare, scan } from './scan.js'

// The server renders; this file only opens what it sent, closes it, and says what happened.
const on = (name, act) => document.addEventListener(name, act)

// Dialogs come as <dialog data-open> fragments.
on('htmx:after:swap', () => {
  const dialog = document.querySelector('dialog[data-open]:not([open])')
  dialog?.showModal()
  const wrong = dialog?.querySelector('[aria-invalid=true]')
  wrong?.focus()
})
on('click', (event) => {
  const closer = event.target.closest('[data-close]')
  const dialog = closer?.closest('dialog')
  if (!dialog) return
  event.preventDefault()
  dialog.close()
})
on('close', (event) => event.target.matches?.('dialog') && event.target.remove())

// One toast at a time: what was done, for five seconds.
let fading
const say = (text) => {
  const box = document.getElementById('toast-box')
  box.replaceChildren()
  const toast = document.createElement('div')
  toast.className = 'toast'
  toast.textContent = text
  box.append(toast)
  fade()
}
const fade = () => {
  clearTimeout(fading)
  const toast = document.querySelector('#toast-box .toast')
  if (toast) fading = setTimeout(() => toast.remove(), toast.querySelector('a') ? 10000 : 5000)
}
on('toast', (event) => say(event.detail.text))
on('failure', (event) => say(event.detail.text))
fade()

// Selects marked so submit their form when they change.
on('change', (event) => {
  const form = event.target.matches('select') && event.target.closest('form[data-autosubmit]')
  if (form) form.requestSubmit()
})

// A form that is drawn anew as one types asks once the hand rests. Its buttons carry what was typed
// as well, so one of them takes the place of that question and is never replaced by it.
const resting = new WeakMap()
const rest = (form) => {
  clearTimeout(resting.get(form))
  const ask = () => {
    if (form.querySelector('button.htmx-request')) rest(form)
    else form.dispatchEvent(new Event('rested'))
  }
  resting.set(form, setTimeout(ask, 400))
}
on('input', (event) => {
  const form = event.target.closest('form[data-rests]')
  if (form) rest(form)
})
on('htmx:before:request', (event) => clearTimeout(resting.get(event.target.closest?.('form'))))

// Of a strip of tabs that is wider than the screen, the one in use is in sight.
for (const here of document.querySelectorAll('.tabs [aria-current]')) {
  const strip = here.parentNode
  strip.scrollLeft = here.offsetLeft - strip.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2
}

// The first wrong field has the focus, on a full page too.
document.querySelector('main [aria-invalid=true]')?.focus()

// A scanner types into what has the focus. On a phone that would only open the keyboard.
if (matchMedia('(min-width: 48rem)').matches) document.querySelector('main [data-wake]')?.focus()

on('click', (event) => event.target.closest('[data-print]') && print())

// A code is read by the phone's camera where it has one for us, else typed or scanned by a gun.
prepare(document.querySelector('[data-scan]'))
on('click', (event) => {
  const button = event.target.closest('[data-scan]')
  if (button) scan(button, say)
})

// Live lists: a grey dot and a strip once the stream has been away for ten seconds.
let offline
on('htmx:sse:error', () => {
  offline ??= setTimeout(() => {
    document.body.classList.add('is-offline')
    document.getElementById('live')?.classList.add('off')
  }, 10000)
})
on('htmx:sse:after:connection', () => {
  clearTimeout(offline)
  offline = undefined
  document.body.classList.remove('is-offline')
  document.getElementById('live')?.classList.remove('off')
})

// What is on its way ends with the page, or leaving it would look like a failure.
addEventListener('pagehide', () => {
  for (const element of document.querySelectorAll('[hx-sse\\:connect], .htmx-request')) {
    element.dispatchEvent(new CustomEvent('htmx:abort'))
    element._htmx?.sse?.abortController.abort()
  }
})
addEventListener('pageshow', (event) => event.persisted && location.reload())
