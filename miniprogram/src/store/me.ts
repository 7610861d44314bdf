/** The member, as the last answer described them. */
import { reactive } from 'vue'
import { changeMe, getMe, setPhone, type Me, type Profile } from '@/api'

export const me = reactive({ card: undefined as Me | undefined })

export async function loadMe(): Promise<Me> {
  return (me.card = await getMe())
}

export async function change(profile: Profile) {
  me.card = await changeMe(profile)
}

export async function bindPhone(code: string) {
  await setPhone(code)
  await loadMe()
}
