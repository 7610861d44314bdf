/** One tap, one act: what it says, or what went wrong; a second tap meanwhile is not a second wish. */
import { ref } from 'vue'
import { explain } from '@/api'
import { toast } from '@/store/ui'

export function useOnce() {
  const busy = ref(false)
  async function once(act: () => Promise<string>) {
    if (busy.value) return false
    busy.value = true
    try {
      const said = await act()
      if (said) toast(said)
      return true
    } catch (error) {
      toast(explain(error))
      return false
    } finally {
      busy.value = false
    }
  }
  return { busy, once }
}
