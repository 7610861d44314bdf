/** The first moments: the phone around us, the member, what was in the bag. */
import { platform } from '@platform'
import { reactive } from 'vue'
import { enter } from '@/api/client'
import { go } from '@/lib/router'
import { Outside, type Frame } from '@/platform/types'
import { restoreBag } from './bag'
import { loadConfig, recallPosition } from './shop'
import { ui } from './ui'

export const surroundings = reactive({
  frame: { statusBar: 47, capsule: 94, capsuleTop: 53, capsuleHeight: 32, safeBottom: 0 } as Frame,
  /** Address of the virtual phone (or '') when this page was opened where it cannot run. */
  outside: undefined as string | undefined,
})

export async function start() {
  platform.onNavigate(go)
  platform.onPrivacy((answer) => { ui.agreement = { answer } })
  restoreBag()
  recallPosition()
  try {
    surroundings.frame = (await platform.ready()).frame
  } catch (error) {
    surroundings.outside = error instanceof Outside ? error.phone : ''
    return
  }
  void loadConfig()
  void enter().catch(() => {}) // the first call that needs a member tries again and says why
}
