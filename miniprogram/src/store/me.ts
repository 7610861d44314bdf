/** The member, as the last answer described them. */
import { reactive } from 'vue'
import { changeMe, getMe, setPhone, type Me, type Profile } from '@/api'
import { allow } from '@/lib/events'

export const me = reactive({ card: undefined as Me | undefined })

function keep(card: Me): Me {
  allow(card.personal_recommendation)
  return (me.card = card)
}

export async function loadMe(): Promise<Me> {
  return keep(await getMe())
}

export async function change(profile: Profile) {
  keep(await changeMe(profile))
}

export async function bindPhone(code: string) {
  await setPhone(code)
  await loadMe()
}
