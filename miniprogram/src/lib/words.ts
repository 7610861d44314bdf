/** '320 m', '1.5 km' */
export const distance = (metres: number) => (metres < 1000 ? `${Math.round(metres)} m` : `${(metres / 1000).toFixed(1)} km`)

/** '138 **** 5201' */
export const maskedPhone = (phone: string) => phone.replace(/^(\d{3})\d{4}(\d{4})$/, '$1 **** $2').replace(/^(\d{3})\*{4}(\d{4})$/, '$1 **** $2')

/** '休息中，明天 09:00 开门' → what it is, and what comes then */
export function stateOf(store: { state_text: string }): { state: string; next: string } {
  const [state = '', ...rest] = store.state_text.split('，')
  return { state, next: rest.join('，') }
}

/** '4827 1093 56' */
export const grouped = (code: string) => code.replace(/\s/g, '').replace(/(.{4})(?=.)/g, '$1 ')

/** '青禾茶铺·静安寺店' → '静安寺店' */
export const shortName = (name: string) => name.replace(/^.*[·・]\s*/, '')
