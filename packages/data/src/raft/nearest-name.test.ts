// The name that was meant.

import { expect, test } from 'vitest'
import { nameFinder } from './nearest-name'

test('the nearest name, if one is near', () => {
  const nearest = nameFinder(['docs/Paris', 'docs/Rome'])
  expect(nearest('docs/Pari.txt')).toBe('docs/Paris')
  expect(nearest('DOCS/ROME')).toBe('docs/Rome')
  expect(nearest('zzz')).toBeUndefined()
})
