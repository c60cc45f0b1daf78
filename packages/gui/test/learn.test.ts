// Projects from documents to a model: files that are sent, stages as jobs, drafts reviewed, contexts and answers shown.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LearnProject } from '../src/client'
import { Space, until, type TestServer } from './harness'

const space = new Space()
let server: TestServer
let project: LearnProject
beforeAll(async () => {
  server = await space.start()
  project = await server.client.createLearn({ name: 'Handbook', model: space.model })
})
afterAll(() => space.remove())

const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')

test('documents are sent into the project’s folder and nowhere else', async () => {
  const { client } = server
  expect(project).toMatchObject({ id: 'Handbook', takesFiles: true, files: 0, figures: {}, runId: null })
  await client.sendDocument(project.id, 'guide/one.md', new Blob(['# One']))
  await client.sendDocument(project.id, 'two.txt', new Blob(['two']))
  expect(await client.learnProject(project.id)).toMatchObject({ files: 2 })
  expect(readFileSync(join(project.documents, 'guide/one.md'), 'utf8')).toBe('# One')
  for (const path of ['../out.txt', '/etc/x', 'a//b', '.hidden/../../x', 'a\u0000b', '..\\x'])
    await expect(client.sendDocument(project.id, path, new Blob(['x']))).rejects.toThrow('cannot be the name of a file')
  expect(existsSync(join(project.folder, 'out.txt'))).toBe(false)
  await expect(client.learnProject('../state')).rejects.toThrow('no such project')
  await client.clearDocuments(project.id)
  expect(await client.learnProject(project.id)).toMatchObject({ files: 0 })

  mkdirSync(join(space.root, 'docs'))
  const here = await client.createLearn({ name: 'Handbook', model: space.model, documents: join(space.root, 'docs') })
  expect(here).toMatchObject({ name: 'Handbook 2', takesFiles: false, files: null })
  await expect(client.sendDocument(here.id, 'a.txt', new Blob(['x']))).rejects.toThrow('put the file there')
  const outside = client.createLearn({ name: 'x', model: space.model, documents: space.dir })
  await expect(outside).rejects.toThrow('is not in a folder that this page may use')
  expect((await client.learnProjects()).map(({ name }) => name)).toEqual(['Handbook 2', 'Handbook'])
})

test('a stage is jora learn up to it, with the key in its environment alone', async () => {
  const { client } = server
  const drafter = { url: 'http://127.0.0.1:9/v1', model: 'qwen', key: 'secret-key', perPassage: 3 }
  const job = await client.learnStage(project.id, { until: 'draft', drafter, chunkTokens: 128 })
  await until('the job ends', async () => (await client.job(job.id)).state !== 'running')
  const { state, result, projectId } = await client.job(job.id)
  expect({ state, projectId }).toEqual({ state: 'done', projectId: project.id })
  const { args } = result as { args: string[] }
  expect(args).toEqual(
    expect.arrayContaining([
      project.documents,
      '--until=draft',
      '--drafter-url=http://127.0.0.1:9/v1',
      '--drafter-model=qwen',
      '--per-passage=3',
      '--chunk-tokens=128',
      `--output-dir=${project.folder}`,
    ]),
  )
  expect(JSON.stringify(await client.jobs())).not.toContain('secret-key')
  await expect(
    client.learnStage(project.id, { until: 'draft', questions: space.rows, drafter: { model: 'm' } }),
  ).rejects.toThrow('questions without it')
  await expect(client.learnStage(project.id, { until: 'draft', questions: '/etc/passwd' })).rejects.toThrow(
    'is not in a folder that this page may use',
  )
  // The next stage is done as the one before.
  const next = await client.learnStage(project.id, { until: 'contexts', retriever: 'hybrid' })
  await until('the job ends', async () => (await client.job(next.id)).state !== 'running')
  const later = (await client.job(next.id)).result as { args: string[] }
  expect(later.args).toEqual(
    expect.arrayContaining(['--until=contexts', '--drafter-model=qwen', '--per-passage=3', '--retriever=hybrid']),
  )
  const { settings } = await client.learnProject(project.id)
  expect(settings).toMatchObject({ chunkTokens: 128, retriever: 'hybrid' })
  expect(readFileSync(join(project.folder, 'project.json'), 'utf8')).not.toContain('secret-key')
})

test('drafts are reviewed, contexts and answers shown', async () => {
  const { client } = server
  const { id, folder } = project
  expect(await client.learnQuestions(id)).toEqual({ reviewable: false, questions: [] })
  const draft = (name: string) => ({
    id: name,
    kind: 'fact',
    question: `What is ${name}?`,
    answer: name,
    quote: name,
    decision: 'accepted',
    by: 'checks',
    document: 'd',
    chunk: 'd#1',
    drafter: 'm',
  })
  writeFileSync(join(folder, 'questions.jsonl'), lines(['a', 'b', 'c'].map(draft)))
  const { questions } = await client.reviewQuestions(id, {
    drafts: [
      { id: 'a', decision: 'rejected' },
      { id: 'c', question: 'What is C?', answer: 'C' },
    ],
  })
  expect(questions.map(({ question, answer, decision, by }) => [question, answer, decision, by])).toEqual([
    ['What is a?', 'a', 'rejected', 'reviewer'],
    ['What is b?', 'b', 'accepted', 'checks'],
    ['What is C?', 'C', 'accepted', 'reviewer'],
  ])
  await expect(client.reviewQuestions(id, { drafts: [{ id: 'z', decision: 'accepted' }] })).rejects.toThrow(
    'no draft z',
  )

  const context = (n: number, split: string) => ({
    context: [
      { id: `d#${n}`, title: 'D', text: 'golden' },
      { id: 'e#1', text: 'other' },
    ],
    questions: [{ id: String(n), question: `Q${n}?`, answer: 'A', golden: [`d#${n}`] }],
    split,
  })
  writeFileSync(join(folder, 'contexts.jsonl'), lines([context(1, 'train'), context(2, 'test')]))
  expect(await client.learnContexts(id, 1)).toEqual({
    total: 2,
    contexts: [
      {
        row: 1,
        split: 'test',
        documents: [
          { id: 'd#2', title: 'D', text: 'golden', golden: true },
          { id: 'e#1', title: null, text: 'other', golden: false },
        ],
        questions: [{ question: 'Q2?', answer: 'A' }],
      },
    ],
  })
  const side = (answer: string) => ({ answer, exactMatch: answer === 'A', f1: 0.5 })
  writeFileSync(
    join(folder, 'answers.jsonl'),
    lines([{ row: 2, id: '2', question: 'Q2?', answers: ['A'], base: side('B'), tuned: side('A') }]),
  )
  expect(await client.learnAnswers(id)).toEqual([
    {
      question: 'Q2?',
      answers: ['A'],
      unanswerable: false,
      base: { answer: 'B', right: false, f1: 0.5 },
      tuned: { answer: 'A', right: true, f1: 0.5 },
      context: 1,
    },
  ])
  const read = { documents: 2, byKind: { md: 2 }, skipped: [{ file: 'x.bin', reason: 'no reader' }] }
  const stages = { read: { key: 'k', result: read }, train: { key: 'begun k', result: { begun: true } } }
  writeFileSync(join(folder, 'learn.json'), JSON.stringify({ stages }))
  expect((await client.learnProject(id)).figures).toEqual({ read })
})
