// Every filter, method, test and statement against Python's Jinja.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { JinjaTemplate } from './template'

const path = new URL('../../test/goldens/jinja.json', import.meta.url)
/** Small templates with their texts; null where Python raises. */
const goldens = JSON.parse(readFileSync(path, 'utf8')) as {
  now: string
  variables: Record<string, unknown>
  cases: [source: string, text: string | null][]
}

test('small templates give the texts that Python gives, or an error where it does', () => {
  const wrong = goldens.cases.flatMap(([source, text]) => {
    let ours: string | null
    let error = ''
    try {
      ours = new JinjaTemplate(source).render(goldens.variables, new Date(goldens.now))
    } catch (thrown) {
      ours = null
      error = String(thrown)
    }
    return ours === text ? [] : [{ source, text, ours, error }]
  })
  expect(wrong).toEqual([])
  expect(goldens.cases.length).toBeGreaterThan(500)
})
