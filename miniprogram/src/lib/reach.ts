/** Getting to a store: by phone, on foot. */
import { platform } from '@platform'
import type { Place } from '@/platform/types'
import { toast } from '@/store/ui'

export function ring(phone: string | undefined) {
  if (!phone) return toast('这家店还没有留电话')
  platform.call(phone)
  toast(`门店电话 ${phone}`)
}

export async function lead(place: Place) {
  const how = await platform.lead(place).catch(() => undefined)
  if (how === 'copied') toast('地址复制好了，去地图里搜')
}
