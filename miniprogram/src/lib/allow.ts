import { platform } from '@platform'
import { ref } from 'vue'
import { recordGrants, whatToAsk } from '@/api'
import type { Answer } from '@/platform/types'
import { storage } from './storage'

export type Occasion = Parameters<typeof whatToAsk>[0]
type Answers = Record<string, Answer>

/**
 * The shop hears of a no from WeChat, and leaves the person alone with that template; a phone that has messages switched
 * off for good tells the shop nothing. So the phone remembers a no by itself for as long as the shop does about a service.
 */
const LET_BE_MS = 7 * 86_400_000
const refused = () => storage.get<Record<string, number>>('refused') ?? {}

/**
 * One button's question for messages, on one occasion. What to ask is learnt before the tap: WeChat's dialog must come
 * straight from it. The shop decides whether to ask at all, so that nobody is asked too often; `templates` is empty then.
 */
export function useAllow(occasion: Occasion) {
  const templates = ref<string[]>([])
  const load = async () => {
    const wanted = await whatToAsk(occasion).catch(() => [])
    const no = refused()
    templates.value = wanted.filter((id) => !(Date.now() - (no[id] ?? 0) < LET_BE_MS))
  }
  async function ask(): Promise<Answers> {
    const wanted = [...templates.value] // a plain list: what is reactive does not cross into the phone
    if (!wanted.length) return {}
    templates.value = []
    const answers: Answers = await platform.subscribe(wanted).catch(() => ({}))
    const no = refused()
    for (const id of wanted) {
      if (answers[id] === 'accept') delete no[id]
      else no[id] = Date.now()
    }
    storage.set('refused', no)
    if (Object.keys(answers).length) await recordGrants(answers).catch(() => {})
    return answers
  }
  return { templates, load, ask }
}
