// How answers are held by texts, in scripts with and without spaces.

import { expect, test } from 'vitest'
import { canonical } from '../retrieval/canonical'
import { holds } from './holds'

test.each([
  ['They met ten times.', 'ten', 'words'],
  ['They met often.', 'ten', 'part'],
  ['They met.', 'ten', 'not'],
  ['often, ten times', 'ten', 'words'],
  ['首都は東京です。', '東京', 'words'],
  ['กรุงเทพเป็นเมืองหลวง', 'กรุงเทพ', 'words'],
  ['서울은 한국의 수도이다.', '서울', 'attached'],
  ['남서울 사람', '서울', 'part'],
  ['وعاصمتها والقاهرة كبيرة', 'القاهرة', 'attached'],
  ['הבירה היא בירושלים', 'ירושלים', 'attached'],
  ['Limassol', 'Lima', 'part'],
  ['the captain’s house', "Captain's house", 'words'],
] as const)('%s: %s: %s', (text, needle, how) => {
  expect(holds(canonical(text), canonical(needle))).toBe(how)
})
