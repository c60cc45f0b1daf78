// Names of uploads, and files that were sent before.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { safeName, saveUpload } from './upload'

test('a file that was sent before is kept once, another of its name beside it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jora-upload-'))
  try {
    const send = (text: string) =>
      saveUpload(new Request('http://x', { method: 'POST', body: text }), 'raft.jsonl', folder, 1000)
    const [first, other, again, otherAgain] = [
      await send('a\n'),
      await send('b\n'),
      await send('a\n'),
      await send('b\n'),
    ]
    expect([first, other].map(({ name }) => name)).toEqual(['raft.jsonl', 'raft-2.jsonl'])
    expect([again, otherAgain]).toEqual([first, other])
    expect(readdirSync(folder).sort()).toEqual(['raft-2.jsonl', 'raft.jsonl'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

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
