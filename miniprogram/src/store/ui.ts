/** What every page carries: toast, dialog, the agreement sheet. Drawn by l-page. */
import { reactive } from 'vue'

interface Dialog {
  title: string
  text: string
  yes: string
  no: string
  answer(agreed: boolean): void
}

/** How somebody in a browser may pay; `qr`: what they scan instead of going anywhere. */
export interface Till {
  fen: number
  choices: Choice[]
  qr: string
  answer(choice?: Choice): void
}
export interface Choice {
  channel: 'wechat' | 'alipay' | 'unionpay'
  way: 'h5' | 'native' | 'page' | 'wap'
}

export const ui = reactive({
  till: undefined as Till | undefined,
  toast: '' as string,
  undo: undefined as { label: string; run(): void } | undefined,
  dialog: undefined as Dialog | undefined,
  agreement: undefined as { answer?(agreed: boolean): void } | undefined,
})

let timer: ReturnType<typeof setTimeout> | undefined

/** Says something for two seconds; `undo` adds a way back and a second more. */
export function toast(text: string, undo?: { label: string; run(): void }) {
  clearTimeout(timer)
  ui.toast = text
  ui.undo = undo
  timer = setTimeout(() => { ui.toast = ''; ui.undo = undefined }, undo ? 3000 : text.length > 10 ? 3000 : 2000)
}

/** One decision; the buttons name the act. */
export function ask(title: string, text: string, yes: string, no = '再想想'): Promise<boolean> {
  return new Promise((resolve) => {
    ui.dialog = { title, text, yes, no, answer: (agreed) => { ui.dialog = undefined; resolve(agreed) } }
  })
}
