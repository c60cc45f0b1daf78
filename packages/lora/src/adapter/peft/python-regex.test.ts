// Python's regular expressions read in JavaScript: what differs between them, and what is refused.
import { expect, test } from 'vitest'
import { pythonRegex } from './python-regex'

test.each([
  ['a|b', 'b', true],
  ['a|b', 'ab', false],
  ['\\Aab\\Z', 'ab', true],
  ['(?P<x>a)(?P=x)', 'aa', true],
  ['a{,2}', '', true],
  ['a{,2}', 'aaa', false],
  ['a{1,2}', 'a{1,2}', false],
  ['[]x]+', 'x]', true],
  ['[^]x]', ']', false],
  ['[\\d.]{2}', '1.', true],
  ['(?i)Q', 'q', true],
  ['\\-\\_', '-_', true],
])('%s on %j', (pattern, text, matches) => expect(pythonRegex(pattern, 'it').test(text)).toBe(matches))

test.each(['(', '(?>a)', 'a(?i)b', 'a++', '\\p', '(?#comment)', '[a', '*'])('%s is refused', (pattern) => {
  expect(() => pythonRegex(pattern, 'targetModules')).toThrow(
    /^targetModules is not a regular expression that can be used here: /,
  )
})
