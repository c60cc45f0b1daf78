// Messages of failures: files are called by their names.
import { expect, test } from 'vitest'
import { byName } from './failure'

test('where the server keeps files is not told', () => {
  const path = '/home/me/.local/state/jora/gui/uploads/rows.jsonl'
  expect(byName(`${path}: row 2 (line 2): "output": got null`, [undefined, path])).toBe(
    'rows.jsonl: row 2 (line 2): "output": got null',
  )
})
