// jora learn: documents and questions to an adapter and a report; what is done already is not done again, what was edited is.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jora, modelSource } from '../harness'

let dir: string
const path = (...parts: string[]) => join(dir, ...parts)
const towns = ['Arl', 'Bex', 'Cor', 'Dun', 'Elm', 'Fir', 'Gow', 'Hay']

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'jora-learn-'))
  mkdirSync(path('docs'))
  const rows = towns.map((town, i) => {
    const text = `The town of ${town} has ${1000 + 37 * i} inhabitants. Its market is on ${['Monday', 'Friday'][i % 2]}.`
    const [name, content] = [
      [`${town}.md`, `# ${town}\n\n${text}`],
      [`${town}.html`, `<title>${town}</title><p>${text}`],
      [`${town}.txt`, text],
    ][i % 3] as [string, string]
    writeFileSync(path('docs', name), content)
    return { question: `How many inhabitants has ${town}?`, answer: String(1000 + 37 * i), document: town }
  })
  rows.push({ question: 'Who is the mayor of Arl?', answer: '', document: 'Arl', unanswerable: true } as never)
  writeFileSync(path('questions.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  writeFileSync(path('docs/broken.docx'), 'no archive')
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const args = () => [
  'learn',
  path('docs'),
  '--model',
  modelSource!,
  '--output-dir',
  path('out'),
  '--questions',
  path('questions.jsonl'),
  '--num-epochs',
  '1',
  '--batch-size',
  '2',
  '--lora-r',
  '2',
  '--distractors',
  '1',
  '--max-new-tokens',
  '8',
  '--device',
  'cpu',
  '--split',
  '0.6',
  '--max-seq-length',
  '512',
]

describe('learn', () => {
  test('a dry run counts and writes nothing', async (ctx) => {
    ctx.skip(modelSource === undefined, 'needs a small model')
    const { code, err, out } = await jora([...args(), '--dry-run', '--json'])
    expect(code).toBe(0)
    expect(err).toContain('8: 3 md, 3 html, 2 txt')
    expect(err).toContain('1 × is not a zip archive')
    const plan = JSON.parse(out) as { aboutMemoryBytes: number; device: string }
    expect(plan).toMatchObject({ passages: 8, questions: 9, aboutContexts: 8 })
    expect(plan.aboutMemoryBytes).toBeGreaterThan(1e8)
    expect(err).toContain(`Memory is that of a step on ${plan.device}, with`)
    expect(existsSync(path('out'))).toBe(false)
  })

  test('--until stops behind a stage, and a later one goes on', async (ctx) => {
    ctx.skip(modelSource === undefined, 'needs a small model')
    const to = ['--output-dir', path('stages')]
    const read = await jora([...args(), ...to, '--until', 'read', '--json'])
    expect(read.code, read.err).toBe(0)
    expect(JSON.parse(read.out)).toEqual({
      outputDir: path('stages'),
      documents: expect.objectContaining({ documents: 8 }),
    })
    expect(readdirSync(path('stages')).sort()).toEqual(['documents.jsonl', 'learn.json'])
    const built = await jora([...args(), ...to, '--until', 'contexts'])
    expect(built.err).toContain('Done as far as --until contexts')
    expect(readdirSync(path('stages')).sort()).toEqual([
      'contexts.jsonl',
      'documents.jsonl',
      'learn.json',
      'questions.jsonl',
    ])
    expect((await jora([...args(), '--until', 'lunch'])).err).toContain('--until: got "lunch", expected read, draft')
  })

  test('documents become an adapter and a report, stage by stage', async (ctx) => {
    ctx.skip(modelSource === undefined, 'needs a small model')
    const { code, err, out } = await jora([...args(), '--json'])
    expect(err).toMatch(/exact match +\d/)
    expect(code).toBe(0)
    const learned = JSON.parse(out) as { evaluation: { questions: number; tuned: Record<string, { count: number }> } }
    expect(learned).toMatchObject({
      documents: { documents: 8, byKind: { md: 3, html: 3, txt: 2 } },
      questions: { accepted: 9 },
    })
    expect(learned.evaluation.tuned.exactMatch!.count).toBe(learned.evaluation.questions)
    expect(readdirSync(path('out')).sort()).toEqual([
      'adapter',
      'answers.jsonl',
      'contexts.jsonl',
      'documents.jsonl',
      'learn.json',
      'questions.jsonl',
      'report.json',
      'report.md',
    ])
    expect(readFileSync(path('out/report.md'), 'utf8')).toContain('| exact match |')
    expect(readFileSync(path('out/answers.jsonl'), 'utf8').trim().split('\n')).toHaveLength(
      learned.evaluation.questions,
    )
  })

  test('a second call does nothing again; an edited file is what the rest is made from', async (ctx) => {
    ctx.skip(modelSource === undefined, 'needs a small model')
    const adapter = () => statSync(path('out/adapter/adapter_model.safetensors')).mtimeMs
    const before = adapter()
    const again = await jora(args())
    expect(again.err.match(/done before/g)).toHaveLength(5)
    expect(again.err).toContain('Next:')
    expect(adapter()).toBe(before)

    const drafts = path('out/questions.jsonl')
    writeFileSync(
      drafts,
      readFileSync(drafts, 'utf8').replace('How many inhabitants has Bex?', 'How many people live in Bex?'),
    )
    const edited = await jora(args())
    expect(edited.code, edited.err).toBe(0)
    expect(edited.err.match(/done before/g)).toHaveLength(2)
    expect(edited.err.match(/made again/g)).toHaveLength(3)
    expect(readFileSync(path('out/contexts.jsonl'), 'utf8')).toContain('How many people live in Bex?')
    expect(existsSync(path('out/adapter-before/adapter_model.safetensors'))).toBe(true)
  })

  test('without questions and a drafter it says so, once the documents are read', async (ctx) => {
    ctx.skip(modelSource === undefined, 'needs a small model')
    const { code, err } = await jora(['learn', path('docs'), '--model', modelSource!, '--output-dir', path('none')])
    expect(code).toBe(1)
    expect(err).toContain('error: there are not questions yet: give a file of them, or a model that drafts some')
    expect(existsSync(path('none/documents.jsonl'))).toBe(true)
  })
})
