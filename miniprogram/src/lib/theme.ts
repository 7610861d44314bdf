/** Colours for what cannot read a custom property: icons are drawn into data URIs. Same values as styles/tokens.css. */
import { reactive } from 'vue'

export const colors = reactive({
  primary: '#0b6b4f', 'primary-deep': '#08523d', 'primary-soft': '#cfe6d9', 'primary-tint': '#e9f4ee', white: '#ffffff',
  ink: '#18211d', 'ink-2': '#4f5a54', 'ink-3': '#5f6963', off: '#7d857f',
  price: '#c9361a', 'amber-ink': '#8a5200', danger: '#c02a22',
})
export type Color = keyof typeof colors

const channels = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))

/** `share` of `into` mixed into `hex`; both '#rrggbb'. */
export function mix(hex: string, into: string, share: number): string {
  const other = channels(into)
  return `#${channels(hex).map((value, i) =>
    Math.round(value * (1 - share) + other[i]! * share).toString(16).padStart(2, '0')).join('')}`
}

/** Everything green takes the merchant's colour; a malformed one is ignored. */
export function paint(brand: string) {
  if (!/^#[0-9a-f]{6}$/i.test(brand) || brand.toLowerCase() === colors.primary) return
  colors.primary = brand
  colors['primary-deep'] = mix(brand, '#000000', 0.22)
  colors['primary-soft'] = mix(brand, '#ffffff', 0.8)
  colors['primary-tint'] = mix(brand, '#ffffff', 0.92)
}

interface Tile { from: string; to: string; text: string; cut: boolean }
const TILES: Record<string, Tile> = {
  yangzhi: { from: '#fff0d9', to: '#ffdcae', text: '#6b4a1c', cut: true },
  guihua: { from: '#fff3d6', to: '#ffe2a6', text: '#6b4a1c', cut: true },
  qingti: { from: '#f0f8dd', to: '#d9edb2', text: '#3d5417', cut: true },
  heitang: { from: '#f7ebdf', to: '#e8cfb6', text: '#5c3d22', cut: true },
  lizhi: { from: '#fdebee', to: '#f8cfd6', text: '#7a2f3f', cut: true },
  putao: { from: '#f0eafa', to: '#dccdf0', text: '#4d3577', cut: true },
}
const PLAIN: Tile = { from: '#e9f4ee', to: '#cfe6d9', text: '#08523d', cut: false }

/** The ground on which a product is shown large, and whether there is a drawing without its tile. */
export const tileOf = (image: string): Tile => TILES[/\/art\/(\w+)\.svg$/.exec(image)?.[1] ?? ''] ?? PLAIN
