// Numbers, sizes and times as text.
import { describe, expect, test } from 'vitest'
import { bytes, compact, duration, lastPart, moment, number, percent, plural } from './format'

describe('format', () => {
  test.each([
    [0, '0'],
    [12, '12'],
    [999, '999'],
    [1000, '1k'],
    [314_880, '315k'],
    [1_032_000, '1.03M'],
    [8_030_261_248, '8.03B'],
  ])('compact(%d) = %s', (value, text) => expect(compact(value)).toBe(text))

  test.each([
    [12, '12 B'],
    [1536, '1.5 KiB'],
    [2 ** 20, '1 MiB'],
    [1_073_741_824, '1 GiB'],
  ])('bytes(%d) = %s', (value, text) => expect(bytes(value)).toBe(text))

  test.each([
    [0.2, 'under 1 s'],
    [45, '45 s'],
    [59.7, '1 min'],
    [200, '3 min 20 s'],
    [3600, '1 h'],
    [3660, '1 h 1 min'],
    [90_000, '1 d 1 h'],
    [Number.POSITIVE_INFINITY, '–'],
  ])('duration(%d) = %s', (value, text) => expect(duration(value)).toBe(text))

  test.each([
    [0.08612, '0.0861'],
    [3.43, '3.4300'],
    [12.3456, '12.35'],
    [0.0001, '1e-4'],
    [0, '0'],
    [Number.NaN, 'not a number'],
  ])('number(%d) = %s', (value, text) => expect(number(value)).toBe(text))

  test('percent, plural, lastPart', () => {
    expect([percent(0), percent(0.691), percent(1)]).toEqual(['0 %', '69.1 %', '100 %'])
    expect([plural(1, 'step'), plural(1200, 'step'), plural(2, 'entry', 'entries')]).toEqual([
      '1 step',
      '1,200 steps',
      '2 entries',
    ])
    expect([lastPart('/a/b/c.json'), lastPart('org/model'), lastPart('C:\\data\\x.jsonl')]).toEqual([
      'c.json',
      'model',
      'x.jsonl',
    ])
  })

  test('moment: today by the clock, else by the day', () => {
    const now = new Date(2026, 4, 3, 15, 0).getTime()
    expect(moment(new Date(2026, 4, 3, 9, 5).getTime(), now)).toBe('today 09:05')
    expect(moment(new Date(2026, 2, 3, 9, 5).getTime(), now)).toBe('3 Mar 09:05')
    expect(moment(new Date(2025, 2, 3, 9, 5).getTime(), now)).toBe('3 Mar 2025')
    expect(moment('nonsense', now)).toBe('–')
  })
})
