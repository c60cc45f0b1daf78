// jora data draft and review: documents of several kinds, an endpoint, the file of questions, contexts of it.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isBuilt, jora, modelSource, spawnJora } from '../harness'

let [dir, url, server, requests]: [string, string, Server, number] = ['', '', undefined as never, 0]
const path = (name: string) => join(dir, name)

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'jora-draft-'))
  mkdirSync(path('docs'))
  const city = (name: string, n: number) =>
    `The town of ${name} has ${n} inhabitants, who live by a river that is wide and slow. Its market is held on Friday mornings in front of the old hall.`
  writeFileSync(path('docs/a.md'), `# Towns\n\n${city('Arl', 1204)}`)
  writeFileSync(path('docs/b.html'), `<h1>Towns</h1><p>${city('Bex', 977)}</p>`)
  writeFileSync(path('docs/c.txt'), city('Cor', 3310))
  writeFileSync(path('docs/d.pdf'), 'no pdf')
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      requests++
      const user = (JSON.parse(body) as { messages: { content: string }[] }).messages.at(-1)!.content
      const [, town = '', n = ''] = /The town of (\w+) has (\d+)/.exec(user) ?? []
      const content = user.includes('Question: How')
        ? n
        : user.includes('Question:')
          ? 'NOT ANSWERED'
          : user.includes('does NOT answer')
            ? JSON.stringify([{ question: `Who is the mayor of ${town} today?`, answer: '', quote: '' }])
            : JSON.stringify([
                {
                  question: `How many inhabitants has ${town}?`,
                  answer: n,
                  quote: `The town of ${town} has ${n} inhabitants`,
                },
                { question: `What is in ${town} made?`, answer: 'cheese', quote: 'cheese' },
              ])
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ choices: [{ message: { content } }], usage: { total_tokens: 10 } }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
  rmSync(dir, { recursive: true, force: true })
})

const args = () => [
  '--documents',
  path('docs'),
  '--model',
  modelSource!,
  '--drafter-url',
  url,
  '--drafter-model',
  'scripted',
  '--output',
  path('q/questions.jsonl'),
]
const rows = () =>
  readFileSync(path('q/questions.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test('documents become questions, reviewed, and contexts with refusals', async (ctx) => {
  ctx.skip(modelSource === undefined, 'needs a small model')
  const env = { JORA_DRAFTER_KEY: 'sk-secret-77' }
  const made = await jora(['data', 'draft', ...args(), '--unanswerable', '1'], { env })
  expect(made.err).toContain('6 questions accepted on 3 passages, 3 rejected; nobody has reviewed them')
  expect(made.err).toContain('1 × is not a PDF that can be read')
  expect(made.code).toBe(0)
  expect(rows()[0]).toMatchObject({
    kind: 'fact',
    question: 'How many inhabitants has Arl?',
    answer: '1204',
    document: 'a',
    decision: 'accepted',
    by: 'checks',
  })
  for (const name of readdirSync(path('q')))
    expect(readFileSync(path(`q/${name}`), 'utf8')).not.toContain('sk-secret-77')

  const before = requests
  const again = await jora(['data', 'draft', ...args(), '--unanswerable', '1', '--json'], { env })
  expect(JSON.parse(again.out)).toMatchObject({ accepted: 6, rejected: 3 })
  expect(requests).toBe(before)

  const reviewed = await jora(['data', 'review', '--questions', path('q/questions.jsonl')], {
    stdin: 'q How many people live in Arl?\na\nr not asked\nx\n',
  })
  expect(reviewed.err).toContain('2 decisions written, 4 left')
  expect(rows()[0]).toMatchObject({ question: 'How many people live in Arl?', decision: 'accepted', by: 'reviewer' })
  await jora(['data', 'draft', ...args(), '--unanswerable', '1'], { env })
  expect(rows()[0]).toMatchObject({ question: 'How many people live in Arl?', by: 'reviewer' })

  const raft = await jora([
    'data',
    'raft',
    '--documents',
    path('docs'),
    '--questions',
    path('q/questions.jsonl'),
    '--model',
    modelSource!,
    '--output',
    path('raft.jsonl'),
    '--distractors',
    '1',
    '--json',
  ])
  expect(raft.code).toBe(0)
  const questions = readFileSync(path('raft.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .flatMap(
      (line) => (JSON.parse(line) as { questions: { question: string; answer: string; golden: string[] }[] }).questions,
    )
  expect(questions.map(({ question }) => question).sort()).toEqual([
    'How many inhabitants has Bex?',
    'How many inhabitants has Cor?',
    'How many people live in Arl?',
    'Who is the mayor of Bex today?',
    'Who is the mayor of Cor today?',
  ])
  for (const { question, answer, golden } of questions.filter((each) => each.question.startsWith('Who')))
    expect([question, answer, golden]).toEqual([question, 'The documents do not answer this.', []])
})

describe.skipIf(!isBuilt)('the built program (needs a build)', () => {
  test('killed while it drafts, no reply that came is asked for again', async (ctx) => {
    ctx.skip(modelSource === undefined, 'needs a small model')
    const whole = path('k/whole.jsonl')
    const start = requests
    expect((await jora(['data', 'draft', ...args(), '--output', whole, '--cache', path('k/whole.cache')])).code).toBe(0)
    const needed = requests - start
    const from = requests
    for (const after of [1, 4]) {
      const killed = spawnJora(['data', 'draft', ...args(), '--output', path('k/q.jsonl'), '--concurrency', '1'], dir)
      while (requests < from + after) await new Promise((resolve) => setTimeout(resolve, 2))
      killed.child.kill('SIGKILL')
      await killed.ended
    }
    const { code } = await jora(['data', 'draft', ...args(), '--output', path('k/q.jsonl'), '--concurrency', '1'])
    expect(code).toBe(0)
    // The reply to the last request before each kill may not have been written.
    expect(requests - from).toBeLessThanOrEqual(needed + 2)
    expect(readFileSync(path('k/q.jsonl'))).toEqual(readFileSync(whole))
  })
})

test('flags that name no drafter, and an endpoint that refuses', async (ctx) => {
  ctx.skip(modelSource === undefined, 'needs a small model')
  const none = await jora([
    'data',
    'draft',
    '--documents',
    path('docs'),
    '--model',
    modelSource!,
    '--output',
    path('x.jsonl'),
  ])
  expect(none).toMatchObject({ code: 2, err: expect.stringContaining('give --drafter-model NAME') as unknown })
  const wrong = await jora(['data', 'draft', ...args(), '--drafter-url', 'nowhere'])
  expect(wrong).toMatchObject({
    code: 2,
    err: expect.stringContaining('--drafter-url: got "nowhere" as a URL') as unknown,
  })
  const empty = await jora(['data', 'draft', ...args(), '--drafter-key-env', 'NO_SUCH_KEY'])
  expect(empty).toMatchObject({ code: 2, err: expect.stringContaining('the variable NO_SUCH_KEY is empty') as unknown })
})
