/** Every amount on every page comes from integer fen through `split`. */
export interface Amount {
  sign: '' | '-'
  yuan: string
  /** '.50', or '' where it is left out. */
  cents: string
}

/** '1,286': points, people, whatever is counted */
export const thousands = (n: number) => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ',')

/** `owed`: always with cents, as where money is owed or explained; otherwise `.00` is dropped. */
export function split(fen: number, owed = false): Amount {
  if (!Number.isInteger(fen)) throw new TypeError(`not an amount in fen: ${fen}`)
  const whole = Math.abs(fen)
  const cents = whole % 100
  return {
    sign: fen < 0 ? '-' : '',
    yuan: thousands((whole - cents) / 100),
    cents: owed || cents ? `.${String(cents).padStart(2, '0')}` : '',
  }
}

/** '¥12.50', '-¥5.00', '¥22' */
export function yuan(fen: number, owed = false): string {
  const { sign, yuan: whole, cents } = split(fen, owed)
  return `${sign}¥${whole}${cents}`
}

/** What a screen reader says: 66 元 */
export const spoken = (fen: number) => `${(fen / 100).toString()} 元`
