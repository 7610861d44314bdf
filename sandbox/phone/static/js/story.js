/* The five steps of the story: what is done, what to do next. Steps tick themselves off from what the feed tells. */

import { api } from './api.js'
import { h, icon, rich } from './dom.js'

const { backend } = document.body.dataset
// The clerk's phone has its cookie at 127.0.0.1: under another name the owner logs in beside him.
const desk = backend.replace('//127.0.0.1', '//localhost')
const list = document.getElementById('steps')
const hint = document.getElementById('hint')

const STEPS = [
  { key: 'follow', name: '扫码关注' },
  { key: 'pay', name: '下单付款' },
  { key: 'handover', name: '制作取餐' },
  { key: 'campaign', name: '挑人召回' },
  { key: 'redeem', name: '到店核销' },
]

let facts = new Set()
let chosen = null

/** Remember that something happened; drawing follows only when it is new. */
export function learn(...news) {
  const fresh = news.filter((fact) => fact && !facts.has(fact))
  if (!fresh.length) return
  for (const fact of fresh) facts.add(fact)
  api.tellStory(fresh).catch(() => {}) // only a reload would miss it
  if (chosen !== null && facts.has(STEPS[chosen].key)) chosen = null
  draw(fresh)
}

/** What is known to have happened. */
export const told = () => facts

/** What the sandbox remembers of it: a page that was reloaded, or a demo started again, goes on. */
export async function recallStory() {
  facts = new Set(await api.story())
  draw()
}

export async function resetStory() {
  facts = new Set(await api.story().catch(() => []))
  chosen = null
  draw()
}

/** The first step that is not done, or the one the visitor asked about. */
function at() {
  if (chosen !== null) return chosen
  const next = STEPS.findIndex((step) => !facts.has(step.key))
  return next < 0 ? STEPS.length : next
}

export function draw(fresh = []) {
  const now = at()
  list.replaceChildren(
    ...STEPS.map((step, index) => {
      const done = facts.has(step.key)
      const look = ['step', done && 'done', index === now && 'on', fresh.includes(step.key) && 'just'].filter(Boolean).join(' ')
      const dot = h('i', {}, done ? icon('check', 15, 3) : String(index + 1))
      const button = h('button', { type: 'button', class: look, 'aria-current': index === now ? 'step' : null, 'aria-label': `第 ${index + 1} 步，${step.name}${done ? '，已完成' : ''}`, onclick: () => ask(index) }, dot, h('span', {}, step.name))
      return h('li', {}, button)
    }),
  )
  hint.replaceChildren(h('i', { class: 'dot' }), h('span', { class: 'hint-text' }, words(now)))
}

function ask(index) {
  chosen = chosen === index ? null : index
  draw()
}

function words(step) {
  const console = (label) => h('a', { href: `${desk}/console/`, target: '_blank', rel: 'noopener' }, label)
  switch (step) {
    case 0:
      return rich('阿青路过门店：点她手机上的**扫一扫**，选**静安寺店**的海报')
    case 1:
      if (facts.has('prepaid')) return rich('付款单出来了：在靛蓝色的付款单上点**确认付款**，不会扣真钱')
      if (facts.has('login')) return rich('在小程序里点**点单**，选几样去结算；能用的优惠里最省的会替她选好')
      return rich('点公众号菜单里的**点单**，进小程序下一单；聊天里的**见面礼**结算时自动用上')
    case 2:
      if (facts.has('staff')) return rich('小周打开菜单的**今日订单**：接单、出餐；阿青**出示取餐码**，他点**交餐**')
      return rich('让小周上岗：他点**扫一扫**，选**店员邀请**；然后从菜单打开**今日订单**')
    case 3:
      return [...rich('阿青先跟公众号**说句话**；店主登录'), console('商家后台'), ...rich('（账号在终端里），给**等着来第二次的**发券，她收到才算')]
    case 4:
      if (facts.has('scanned')) return rich('扫到了：点聊天里的**链接**，核对后**确认核销**。每张券只成功一次')
      return rich('阿青点菜单**券包**，打开券码；小周先关掉网页，再点菜单**扫码核销**，对准她的屏幕')
    default:
      return ['五步都走完了。去', console('商家后台'), '看报表；或者快进几天，看积分到账、券过期；右下的开关让它出错']
  }
}
