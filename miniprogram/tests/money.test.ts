import { expect, test } from 'vitest'
import { split, spoken, yuan } from '@/lib/money'

test.each([
  [2200, '¥22'], [1850, '¥18.50'], [5, '¥0.05'], [0, '¥0'], [128600, '¥1,286'], [-500, '-¥5'],
])('%i fen in a list is %s', (fen, text) => expect(yuan(fen)).toBe(text))

test.each([[6600, '¥66.00'], [-500, '-¥5.00'], [0, '¥0.00'], [1, '¥0.01']])('%i fen owed is %s', (fen, text) =>
  expect(yuan(fen, true)).toBe(text))

test('the parts carry the whole amount', () => {
  for (let fen = -250; fen <= 250; fen++) {
    const { sign, yuan: whole, cents } = split(fen, true)
    expect(Number(`${sign}${whole}${cents}`) * 100).toBeCloseTo(fen)
  }
})

test('half a fen is refused', () => expect(() => split(0.5)).toThrow(TypeError))
test('a reader says yuan', () => expect(spoken(6650)).toBe('66.5 元'))
