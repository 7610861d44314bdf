/* The page: two phones, the story, the feed, the switches, and the clock they share. */

import { api, listen } from './api.js'
import { hms, monthDay, settle } from './dom.js'
import { addEntry, resetFeed, showOffline, startFeed } from './feed.js'
import { refreshFaults, showHealth, startFaults } from './faults.js'
import { markView, nameView, startLayout } from './layout.js'
import { isClerk, loadPeople, people } from './people.js'
import { Phone } from './phone.js'
import { draw as drawStory, learn, recallStory, resetStory, told } from './story.js'
import { factsOf, factsOfCounts, forgetCounts } from './facts.js'
import { sayError, toast } from './toast.js'

const SLOTS = [
  { slot: 'a', holder: (person) => !/店/.test(person.role) },
  { slot: 'b', holder: isClerk },
]
let offset = 0 // the sandbox's clock minus this machine's, in ms
const phones = []

const desk = {
  now: () => Date.now() + offset,
  other: (phone) => phones.find((candidate) => candidate !== phone),
  renamed: (phone) => nameView(phone.root.id.at(-1), phone.person.name),
  noticed: (phone) => markView(phone.root.id.at(-1)),
  screenChanged: (phone) => desk.other(phone)?.scan_.screenChanged(),
}

/* ---- the clock ---- */

async function readClock() {
  const { now } = await api.clock()
  offset = Date.parse(now) - Date.now()
  tick()
}

function tick() {
  const now = new Date(desk.now())
  document.getElementById('clock').textContent = `${monthDay(now)} ${hms(now)}`
  for (const phone of phones) phone.tick()
}

/** Who holds this phone at the beginning. */
const holderOf = ({ holder }) => people().find(holder) ?? people()[phones.length % people().length]

/* ---- the buttons ---- */

const skips = [...document.querySelectorAll('[data-skip]')]

/** Ahead by what the button says. The shop's clock is the same one: what falls due meanwhile is done now. */
async function advance({ currentTarget }) {
  for (const button of skips) button.disabled = true
  try {
    await api.advance(Number(currentTarget.dataset.skip))
    await readClock()
    toast(`沙箱时间快进了 ${currentTarget.textContent}，到点的事正在做`)
  } catch (error) {
    sayError(error)
  }
  for (const button of skips) button.disabled = false
}

async function reset() {
  const button = document.getElementById('reset')
  if (button.dataset.sure !== 'yes') {
    button.dataset.sure = 'yes'
    button.textContent = '确定重来？'
    setTimeout(() => {
      button.dataset.sure = ''
      button.textContent = '重来'
    }, 3000)
    return
  }
  button.disabled = true
  try {
    await api.restart()
    await Promise.all([loadPeople(), readClock()])
    resetFeed()
    forgetCounts()
    await resetStory()
    phones.forEach((phone, index) => phone.give(holderOf(SLOTS[index])))
    await refreshFaults()
    toast('来了一位新的阿青，从第一步再来')
  } catch (error) {
    sayError(error)
  }
  button.disabled = false
}

/* ---- what happens ---- */

const refreshHealth = settle(async () => {
  const response = await fetch('/sandbox/health', { cache: 'no-store' }).catch(() => null)
  const { lights, counts } = response?.ok ? await response.json() : { lights: [{ name: '沙箱没有回答', state: 'bad' }], counts: {} }
  showHealth(lights)
  learn(...factsOfCounts(counts))
}, 400)

const refreshAfter = settle(() => {
  refreshFaults()
  refreshHealth()
}, 300)

const refreshChats = settle(() => phones.forEach((phone) => phone.chat.refresh()), 60)

const learnFrom = (entry) => learn(...factsOf(entry, Object.values(phones[0]?.person.openids ?? {}), told()))

function entered(entry) {
  addEntry(entry)
  learnFrom(entry)
  refreshAfter()
}

function followFeed(last) {
  let away = false
  listen(last, {
    onEntry: entered,
    onChat: refreshChats,
    onState: (here) => {
      if (here && away) {
        for (const phone of phones) phone.chat.refresh()
        readClock().catch(() => {})
      }
      away = !here
      showOffline(away)
    },
  })
}

async function begin() {
  await Promise.all([loadPeople(), recallStory()])
  for (const slot of SLOTS) phones.push(new Phone(document.getElementById(`phone-${slot.slot}`), holderOf(slot), desk))
  const events = await api.feed()
  resetFeed(events)
  events.forEach(learnFrom)
  followFeed(events.at(-1)?.id ?? 0)
  await Promise.all([readClock(), refreshFaults(), ...phones.map((phone) => phone.chat.refresh())])
}

/** Until the sandbox answers, try again; the page says so. */
async function start() {
  for (let wait = 1000; ; wait = Math.min(wait * 1.5, 8000)) {
    try {
      await begin()
      showOffline(false)
      return
    } catch (error) {
      if (phones.length) throw error
      showOffline(true)
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }
}

startLayout()
startFeed()
startFaults()
drawStory()
for (const button of skips) button.addEventListener('click', advance)
document.getElementById('reset').addEventListener('click', reset)
setInterval(tick, 1000)
setInterval(() => document.hidden || refreshHealth(), 5000)
refreshHealth()
start().catch(sayError)
