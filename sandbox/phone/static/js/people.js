/* The people who may hold a phone, their faces, and the menu that hands a phone to somebody else. */

import { h, icon, rove } from './dom.js'
import { api } from './api.js'

const art = `${document.body.dataset.static}art/`
const FACES = { aqing: 'avatar0', xiaozhou: 'avatar1', zhixia: 'avatar3' }
const NEW_NAMES = ['小满', '阿杰', '林夏', '子墨', '念念', '大鹏', '思远', '可可']

let all = []
const listeners = new Set()

export const people = () => all
export const onPeople = (listener) => listeners.add(listener)
/** Whether this person works for the shop. */
export const isClerk = (person) => person.role.includes('店员')

export async function loadPeople() {
  all = await api.people()
  for (const listener of listeners) listener(all)
  return all
}

/** A stranger with a phone: nobody the shop has seen. */
export async function newPerson() {
  const taken = new Set(all.map((person) => person.name))
  const name = NEW_NAMES.find((candidate) => !taken.has(candidate)) ?? `路人 ${all.length}`
  const person = await api.addPerson(name, '顾客')
  await loadPeople()
  return person
}

export function face(person) {
  const known = FACES[person.id.split('-')[0]]
  if (known) return h('img', { class: 'face', src: `${art}${known}.svg`, alt: '' })
  const tone = [...person.id].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 5
  return h('span', { class: `face letter t${tone}`, 'aria-hidden': 'true' }, [...person.name].at(-1))
}

/** Opens under `anchor`; resolves with the chosen person, or null. */
export function choosePerson(anchor, current) {
  return new Promise((resolve) => {
    const finish = (person) => {
      menu.remove()
      document.removeEventListener('pointerdown', outside, true)
      anchor.setAttribute('aria-expanded', 'false')
      if (menu.contains(document.activeElement) || document.activeElement === document.body) anchor.focus()
      resolve(person)
    }
    const outside = (event) => !menu.contains(event.target) && finish(null)
    const row = (person) =>
      h(
        'button',
        { type: 'button', role: 'menuitemradio', 'aria-checked': String(person.id === current.id), onclick: () => finish(person) },
        face(person),
        h('span', {}, h('span', { class: 'n' }, person.name), h('br'), h('span', { class: 'r' }, person.role)),
        person.id === current.id && h('span', { class: 'mark' }, icon('check', 18, 2.4)),
      )
    const add = h(
      'button',
      { type: 'button', role: 'menuitem', onclick: () => newPerson().then(finish, () => finish(null)) },
      h('span', { class: 'add' }, icon('plus', 20)),
      h('span', {}, h('span', { class: 'n' }, '来一位新人'), h('br'), h('span', { class: 'r' }, '没关注过，也没点过单')),
    )
    const menu = h('div', { class: 'people', role: 'menu', 'aria-label': '这台手机给谁用' }, all.map(row), h('hr'), add)
    menu.addEventListener('keydown', (event) => event.key === 'Escape' && finish(null))
    rove(menu, 'button')
    anchor.after(menu)
    anchor.setAttribute('aria-expanded', 'true')
    document.addEventListener('pointerdown', outside, true)
    menu.querySelector('[aria-checked="true"]')?.focus()
  })
}
