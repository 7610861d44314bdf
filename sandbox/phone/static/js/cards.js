/* One chat message as bubbles and cards. Text from the shop is read as text: only links are kept of its markup. */

import { h, icon } from './dom.js'

const BARE_LINK = /(https?:\/\/[^\s<>"'，。；）」]+)/

/**
 * What a message may open: `open.web(url, title)`, `open.mini(appid, path)`, `open.say(text)`.
 * Returns the element beside the face, or null for a message that has none (see `line`).
 */
export function bubble(message, open) {
  const make = { text, event: text, news, mini, template: notice, subscribe: notice, card: notice, menu: choices, image: picture, voice: sound, video: film, music: song }[message.kind]
  return make ? make(message, open) : h('div', { class: 'bb' }, OTHER[message.kind] ?? '［这里放不了这种消息］')
}

const OTHER = { location: '［位置］' }

function text(message, open) {
  return h('div', { class: 'bb' }, linked(message.text ?? '', open))
}

function linked(source, open) {
  if (!/<a\b/i.test(source)) return bare(source, open)
  const body = new DOMParser().parseFromString(source, 'text/html').body
  return walk(body, open)
}

function walk(node, open) {
  return [...node.childNodes].flatMap((child) => {
    if (child.nodeType === Node.TEXT_NODE) return bare(child.data, open)
    if (child.nodeName === 'BR') return ['\n']
    if (child.nodeName !== 'A') return child.nodeType === Node.ELEMENT_NODE ? walk(child, open) : []
    const { miniprogramAppid: appid, miniprogramPath: path } = child.dataset
    if (appid) return [link(child.textContent, () => open.mini(appid, path))]
    const href = child.getAttribute('href') ?? ''
    return /^https?:/.test(href) ? [link(child.textContent, () => open.web(href, child.textContent))] : [child.textContent]
  })
}

function bare(source, open) {
  return source.split(BARE_LINK).map((part, index) => (index % 2 ? link(part, () => open.web(part, '网页')) : part))
}

function link(label, onclick) {
  return h('button', { type: 'button', class: 'go', onclick }, label)
}

function news(message, open) {
  const articles = message.articles ?? [message]
  return h(
    'div',
    { class: 'cd' },
    articles.map((article) =>
      h(
        'button',
        { type: 'button', class: 'cd flat', onclick: () => open.web(article.url, article.title) },
        article.pic_url && h('img', { class: 'pic', src: article.pic_url, alt: '' }),
        h('div', { class: 'in' }, h('div', { class: 't' }, article.title), article.description && h('div', { class: 'd' }, article.description)),
        h('div', { class: 'act' }, h('span', {}, '看详情'), icon('next', 16)),
      ),
    ),
  )
}

/** A card that opens the mini-program; one that names an amount is drawn as a ticket. */
function mini(message, open) {
  const path = message.path ?? message.pagepath ?? ''
  const money = /[¥￥]\s?(\d+(?:\.\d+)?)/.exec(message.title ?? '')
  const rest = money ? message.title.replace(money[0], '').replace(/^[\s·，,：:「]+|[\s·，,：:」]+$/g, '') : message.title
  const [head, ...more] = (rest || '优惠券').split(/[，,·]\s?/)
  const top = money
    ? h(
        'div',
        { class: 'ticket' },
        h('div', { class: 'v num' }, h('small', {}, '¥'), money[1]),
        h('div', {}, h('div', { class: 't' }, head), h('div', { class: 'd' }, more.join(' · ') || '到小程序里用')),
      )
    : [message.pic_url && h('img', { class: 'pic', src: message.pic_url, alt: '' }), h('div', { class: 'in' }, h('div', { class: 't' }, message.title))]
  const act = h('div', { class: 'act' }, h('span', {}, money ? '已放进你的券包' : '小程序'), h('b', {}, /coupon|code/.test(path) ? '去看看' : /menu|home/.test(path) ? '去点一杯' : '打开'))
  return h('button', { type: 'button', class: 'cd', onclick: () => open.mini(message.appid, path) }, top, act)
}

/** A template or subscribe message, or a service card: a title and rows. */
function notice(message, open) {
  const go = message.appid && message.path ? () => open.mini(message.appid, message.path) : message.url ? () => open.web(message.url, message.title) : null
  const rows = (message.rows ?? []).map(([label, value]) => h('div', { class: 'kv' }, h('span', {}, label), h('span', { class: 'num' }, value)))
  const inside = [
    message.kind === 'subscribe' && h('div', { class: 'src' }, icon('bell', 15), '服务通知'),
    message.kind === 'card' && h('div', { class: 'src' }, icon('bell', 15), `服务卡片 · ${message.name}`),
    h('div', { class: 'in' }, h('div', { class: 't' }, message.title), rows),
    go && h('div', { class: 'act' }, h('span', {}, '看详情'), icon('next', 16)),
  ]
  const card = go ? h('button', { type: 'button', class: 'cd', onclick: go }, inside) : h('div', { class: 'cd' }, inside)
  if (!message.confirm) return card
  return h('div', {}, card, h('button', { type: 'button', class: 'receipt', onclick: () => open.receive(message.confirm) }, '确认收货'))
}

function choices(message, open) {
  const rows = (message.list ?? []).map((item) => h('div', {}, link(item.content, () => open.say(item.content))))
  return h('div', { class: 'bb' }, message.head ?? message.head_content, rows, message.tail ?? message.tail_content)
}

function sound(message) {
  return message.pic_url ? h('audio', { class: 'sound', controls: true, preload: 'none', src: message.pic_url }) : h('div', { class: 'bb' }, '［语音］')
}

function film(message) {
  const title = message.title ?? '视频'
  return h('div', { class: 'cd' }, h('video', { class: 'pic', controls: true, preload: 'none', src: message.pic_url }), h('div', { class: 'in' }, h('div', { class: 't' }, title), message.description && h('div', { class: 'd' }, message.description)))
}

function song(message, open) {
  return h('button', { type: 'button', class: 'cd', onclick: () => open.web(message.url, message.title) }, h('div', { class: 'in' }, h('div', { class: 't' }, message.title ?? '音乐'), message.description && h('div', { class: 'd' }, message.description)), h('div', { class: 'act' }, h('span', {}, '音乐'), icon('next', 16)))
}

function picture(message) {
  return message.pic_url ? h('img', { class: 'cd pic', src: message.pic_url, alt: '图片' }) : h('div', { class: 'bb' }, '［图片］')
}
