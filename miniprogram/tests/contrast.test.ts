/** Text must be readable on its real ground: WCAG AA, 4.5:1 (3:1 for large text and icons). */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { colors, tileOf } from '@/lib/theme'

const css = readFileSync('src/styles/tokens.css', 'utf8')
const tokens = Object.fromEntries([...css.matchAll(/--c-([\w-]+): (#[0-9a-f]{6})/g)].map(([, name, value]) => [name!, value!]))
tokens.white = '#ffffff'

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
}
function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high! + 0.05) / (low! + 0.05)
}

const PAIRS: [string, string[]][] = [
  ['ink', ['white', 'bg', 'sunk', 'disabled']],
  ['ink-2', ['white', 'bg', 'sunk', 'line']],
  ['ink-3', ['white', 'bg', 'sunk', 'disabled']],
  ['primary', ['white', 'primary-tint']],
  ['primary-deep', ['primary-tint', 'primary-soft']],
  ['white', ['primary', 'primary-deep', 'price', 'amber-ink']],
  ['price', ['white', 'price-tint']],
  ['amber-ink', ['white', 'amber-tint', 'bg']],
  ['danger', ['white', 'danger-tint']],
  ['info', ['white', 'info-tint']],
]
test.each(PAIRS.flatMap(([text, grounds]) => grounds.map((ground) => [text, ground])))('%s on %s', (text, ground) =>
  expect(contrast(tokens[text!]!, tokens[ground!]!)).toBeGreaterThanOrEqual(4.5))

const LITERAL: [string, string, string][] = [
  ['greeting on the banner', '#08402f', '#dcecdf'], ['line on the banner', '#1d4a3a', '#dcecdf'],
  ['greeting at night', '#08402f', '#b9c6de'], ['line at night', '#1d4a3a', '#b9c6de'],
  ['dead ticket', tokens['ink-3']!, '#eceae4'], ['bind card', '#5b3a06', '#ffe9bd'], ['bind card, small', tokens['amber-ink']!, '#ffe9bd'],
  ['leaf tier', '#0b4a37', '#a9d5b4'], ['silver tier', '#26333a', '#bcc8cc'], ['gold tier', '#4a2e00', '#dcab52'], ['black tier', '#f0d9a8', '#3a4741'],
  ['dead order head', '#ffffff', '#56625b'], ['undo in a toast', '#bfe6d2', '#3b433f'],
]
test.each(LITERAL)('%s', (_, text, ground) => expect(contrast(text, ground)).toBeGreaterThanOrEqual(4.5))

test.each(['yangzhi', 'guihua', 'qingti', 'heitang', 'lizhi', 'putao', ''])('description on the tile of %s', (name) => {
  const tile = tileOf(`/m/static/art/${name}.svg`)
  expect(contrast(tile.text, tile.to)).toBeGreaterThanOrEqual(4.5)
})

test('icons are drawn in the colours of the tokens', () => {
  for (const [name, value] of Object.entries(colors)) if (name !== 'off') expect(tokens[name]).toBe(value)
})
