// Names of uploads.
import { expect, test } from 'vitest'
import { safeName } from './upload'

test.each([
  ['rows.jsonl', 'rows.jsonl'],
  ['Größe 2.JSON', 'Größe-2.JSON'],
  ['../../etc/passwd', 'passwd.jsonl'],
  ['C:\\Users\\me\\rows.json', 'rows.json'],
  ['--config=x.jsonl', 'config-x.jsonl'],
  ['-.json', 'json.jsonl'],
  ['.jsonl', 'jsonl.jsonl'],
  ['program.exe', 'program.exe.jsonl'],
  ['…', 'dataset.jsonl'],
  ['', 'dataset.jsonl'],
])('%j is kept as %s', (given, kept) => {
  expect(safeName(given)).toBe(kept)
})
