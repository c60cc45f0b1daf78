// Texts that say the same have one form, and what is found in it is given as the text spells it.

import { expect, test } from 'vitest'
import { canonical, spelledIn } from './canonical'

test.each([
  ['Ödön café', 'O\u0308do\u0308n cafe\u0301'],
  ['한국어', '\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165'],
  ["the captain's “Red House” – old", 'The captain’s "red house" - old'],
  ['10 000 kroner', '10\u00a0000\u2009kroner'],
  ['Donaudampfschiff', 'Don\u00adau\u00addampf\u00adschiff'],
  ['steamship', 'steam-\n  ship'],
  ['file', '\ufb01le'],
  ['ABC 12', '\uff21\uff22\uff23\u3000\uff11\uff12'],
  ['straße', 'STRASSE'],
  ['ΟΔΟΣ', 'οδος'],
  ['a b', 'a \n\t b'],
])('%j and %j', (a, b) => {
  expect(canonical(a)).toBe(canonical(b))
  expect(spelledIn(`x ${b} y`, canonical(a))).toBe(b)
})

test('what differs stays different', () => {
  for (const [a, b] of [
    ['resent', 're-sent'],
    ['cafe', 'café'],
    ['a b', 'ab'],
    ["it's", 'its'],
  ])
    expect(canonical(a!)).not.toBe(canonical(b!))
  expect(spelledIn('nothing here', 'there')).toBeUndefined()
})
