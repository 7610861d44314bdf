/* The live account of what happens: one sentence per call, newest first, raw fields on opening. */

import { h, hms, icon, rich, settle } from './dom.js'

const { static: files } = document.body.dataset
const KEEP = 300
const FILTERS = [['all', '全部'], ['callback', '回调'], ['pay', '支付'], ['message', '消息']]

const box = document.getElementById('feed')
let filter = 'all'
let entries = []
const opened = new Set()

/** Which filter an entry belongs to. */
export function kindOf(entry) {
  const api = entry.api ?? ''
  if (entry.direction === 'plan') return 'plan'
  if (api.startsWith('pay.')) return 'pay'
  if (entry.direction === 'person') return 'person'
  if (api.endsWith('.push')) return 'callback'
  if (/_send$/.test(api)) return 'message'
  return 'api'
}

/** What the shop does by itself when it opens or renews something; a run of it is one line. */
const CHORES = {
  'api.qrcode_create': '生成二维码', 'api.mini_code': '生成小程序码', 'api.stable_token': '取接口凭证', 'api.token': '取接口凭证', 'api.ticket': '取网页票据',
  'api.menu_create': '发布菜单', 'api.menu_conditional': '发布店员菜单', 'api.menu_get': '读取菜单', 'api.menu_delete': '删除菜单', 'api.menu_delconditional': '删除店员菜单',
  'api.tag_create': '新建标签', 'api.tag_list': '列出标签', 'api.tag_update': '改标签',
}
const isChore = (entry) => entry.tone === 'ok' && entry.api in CHORES

const LOOK = {
  plan: ['k-ft', 'bolt'],
  person: ['k-wt', 'hand'],
  pay: ['k-nt', 'wallet'],
  notify: ['k-nt', 'bell'],
  callback: ['k-cb', 'chat'],
  message: ['k-jb', 'send'],
  api: ['k-ap', 'out'],
}

function matches(entry) {
  const kind = kindOf(entry)
  if (filter === 'all') return true
  if (filter === 'callback') return kind === 'callback' || entry.api === 'pay.notify'
  return kind === filter
}

export function startFeed() {
  const chips = document.getElementById('filters')
  for (const [key, name] of FILTERS) {
    chips.append(
      h('button', { type: 'button', class: 'chip', 'aria-pressed': String(key === filter), onclick: (event) => {
        filter = key
        for (const chip of chips.children) chip.setAttribute('aria-pressed', String(chip === event.currentTarget))
        draw()
      } }, name),
    )
  }
  draw()
}

export function resetFeed(list = []) {
  entries = [...list].reverse().slice(0, KEEP)
  opened.clear()
  draw()
}

export function addEntry(entry) {
  if (entries[0] && entry.id <= entries[0].id) return
  entries.unshift(entry)
  if (entries.length > KEEP) entries.pop()
  if (!matches(entry)) return
  if (isChore(entry)) return redraw()
  box.querySelector('.quiet')?.remove()
  const atTop = box.scrollTop < 8
  const row = line(entry)
  row.classList.add('new')
  box.prepend(row)
  if (!atTop) box.scrollTop += row.offsetHeight
  while (box.children.length > KEEP) box.lastChild.remove()
}

/** A strip above the list while the stream is away. */
export function showOffline(away) {
  const panel = box.parentElement
  panel.querySelector('.offline')?.remove()
  if (away) box.before(h('p', { class: 'offline', role: 'status' }, icon('cycle', 16, 2), '跟沙箱断开了，正在自动重连…'))
}

const redraw = settle(draw, 50)

function draw() {
  const rows = []
  let run = []
  const close = () => {
    rows.push(...(run.length > 2 ? [chores(run)] : run.map(line)))
    run = []
  }
  for (const entry of entries.filter(matches)) {
    if (isChore(entry)) run.push(entry)
    else {
      close()
      rows.push(line(entry))
    }
  }
  close()
  box.replaceChildren(...(rows.length ? rows : [quiet()]))
}

/** A run of chores, newest first, as one line that opens to all of them. */
function chores(run) {
  const counts = new Map()
  for (const entry of run) counts.set(CHORES[entry.api], (counts.get(CHORES[entry.api]) ?? 0) + 1)
  const what = [...counts].map(([name, count]) => (count > 1 ? `${name} ${count} 次` : name)).join('、')
  const key = `chores-${run.at(-1).id}`
  const inside = h('div', { class: 'inside' })
  const words = h('span', { class: 'tx' }, h('span', { class: 'l1' }, h('span', {}, '开店准备'), h('span', { class: 'tm' }, hms(run[0].at))), h('span', { class: 'l2' }, h('span', { class: 'res ok' }, `${run.length} 件`), h('span', { class: 'cut' }, what)))
  const button = h('button', { type: 'button', class: 'open', 'aria-expanded': 'false' }, h('span', { class: 'dc k-ap' }, icon('apps', 18, 1.9)), words)
  const toggle = () => {
    const wasOpen = button.getAttribute('aria-expanded') === 'true'
    button.setAttribute('aria-expanded', String(!wasOpen))
    opened[wasOpen ? 'delete' : 'add'](key)
    inside.replaceChildren(...(wasOpen ? [] : run.map(line)))
  }
  button.addEventListener('click', toggle)
  if (opened.has(key)) toggle()
  return h('div', { class: 'ev' }, button, inside)
}

function quiet() {
  const [title, text] = filter === 'all' ? ['还没有事情发生', '在左边的手机上动一动，这里会一句一句说给你听'] : ['这一类还没有', '换个分类看看']
  return h('div', { class: 'quiet' }, h('img', { src: `${files}art/empty.svg`, alt: '' }), h('b', {}, title), text)
}

function line(entry) {
  const kind = entry.api === 'pay.notify' ? 'notify' : entry.direction === 'person' ? 'person' : kindOf(entry)
  const [tint, name] = LOOK[kind]
  const planned = kind === 'plan'
  const hasRaw = !planned && entry.raw && Object.keys(entry.raw).length > 0
  const tone = { ok: 'ok', bad: 'bad' }[entry.tone] ?? ''
  const words = h(
    'span',
    { class: 'tx' },
    h('span', { class: 'l1' }, h('span', {}, emphasise(entry.title)), !planned && h('span', { class: 'tm' }, hms(entry.at))),
    (entry.tag || entry.detail) && h('span', { class: 'l2' }, entry.tag && h('span', { class: `res ${tone}` }, entry.tag), entry.detail && h('span', { class: 'cut' }, entry.detail.replace(/<[^>]*(>|$)/g, ''))),
  )
  const inside = [h('span', { class: `dc ${tint}` }, icon(name, 18, 1.9)), words]
  const row = h('div', { class: planned ? 'ev next' : 'ev' }, hasRaw ? h('button', { type: 'button', class: 'open', 'aria-expanded': 'false' }, inside) : h('div', { class: 'open' }, inside))
  if (!hasRaw) return row
  const button = row.firstChild
  const toggle = () => {
    const wasOpen = button.getAttribute('aria-expanded') === 'true'
    button.setAttribute('aria-expanded', String(!wasOpen))
    if (wasOpen) {
      opened.delete(entry.id)
      row.lastChild.remove()
    } else {
      opened.add(entry.id)
      row.append(raw(entry))
    }
  }
  button.addEventListener('click', toggle)
  if (opened.has(entry.id)) toggle()
  return row
}

/** **Bold** where the sandbox says so; amounts and 「…」 stand out anyway. */
function emphasise(title) {
  return rich(title.includes('**') ? title : title.replace(/¥[\d,]+(?:\.\d\d)?|「[^」]+」/g, '**$&**'))
}

function raw(entry) {
  const rows = []
  const ms = entry.ms === null || entry.ms === undefined ? null : `${entry.ms} 毫秒`
  const facts = [...Object.entries(entry.raw), ['接口', entry.api], ['用时', ms]]
  for (const [name, value] of facts) {
    if (value === null || value === undefined || value === '') continue
    const structured = typeof value === 'object'
    if (structured) {
      for (const [inner, innerValue] of Object.entries(value)) rows.push(fact(inner, innerValue))
    } else rows.push(fact(name, value))
  }
  return h('dl', { class: 'raw' }, rows)
}

function fact(name, value) {
  const text = typeof value === 'object' ? JSON.stringify(value, null, 1) : String(value)
  return h('div', {}, h('dt', { title: name }, name), h('dd', {}, text.length > 600 ? `${text.slice(0, 600)}…` : text))
}
