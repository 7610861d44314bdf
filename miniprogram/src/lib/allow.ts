import { platform } from '@platform'
import { ref } from 'vue'
import { recordGrants, whatToAsk } from '@/api'

type Occasion = Parameters<typeof whatToAsk>[0]
type Answers = Record<string, string>

/**
 * One button's question for messages, on one occasion. What to ask is learnt before the tap: WeChat's dialog must come
 * straight from it. The shop decides whether to ask at all, so that nobody is asked too often; `templates` is empty then.
 */
export function useAllow(occasion: Occasion) {
  const templates = ref<string[]>([])
  const load = async () => { templates.value = await whatToAsk(occasion).catch(() => []) }
  async function ask(): Promise<Answers> {
    const wanted = [...templates.value] // a plain list: what is reactive does not cross into the phone
    if (!wanted.length) return {}
    templates.value = []
    const answers = await platform.subscribe(wanted).catch(() => ({}))
    if (Object.keys(answers).length) await recordGrants(answers).catch(() => {})
    return answers
  }
  return { templates, load, ask }
}
