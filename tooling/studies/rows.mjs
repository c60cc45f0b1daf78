// Rows that several studies read, made from public files by `jora data`.
import { readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { DEFAULT_REFUSAL, shuffle } from '@jora/data'
import { flagsOf, readLines, writeLines } from './lab.mjs'

/** @typedef {import('./lab.mjs').Lab} Lab */
/** @typedef {import('./studies/index.mjs').StudyFlags} StudyFlags */

/** The model as a folder with 16-bit weights, which PEFT loads too. @param {Lab} lab @param {StudyFlags} flags @returns {Promise<string>} */
export async function modelFolder(lab, { model }) {
  if (!model.endsWith('.gguf')) return model
  const folder = join(lab.folder, 'models', basename(model, '.gguf'))
  const command = ['import', ...flagsOf({ format: 'gguf', input: model, 'output-dir': folder, dtype: 'f16' })]
  await lab.stage('model', command, () => {
    rmSync(folder, { recursive: true, force: true }) // of a study that was stopped
    return lab.jora(command)
  })
  return folder
}

/**
 * RAFT rows of XQuAD's English questions: whole paragraphs, up to `questions` of them; a fifth of the paragraphs is held out. Two
 * distractors by BM25; a fifth of the training questions goes without its document, and learns the refusal, or none does.
 * The held-out questions come in four files: `distractors`, `golden` alone, `missing` (its document taken out, right is the
 * refusal), and `closed`, without any context.
 * @param {Lab} lab @param {StudyFlags} flags @param {{ refusals?: boolean }} [options]
 * @returns {Promise<{ documents: string, train: string, heldOut: Record<'closed' | 'golden' | 'distractors' | 'missing', string>, questions: { train: number, heldOut: number } }>}
 */
export async function xquadRows(lab, { data, model, questions: most, seed }, { refusals = true } = {}) {
  /** @type {{ data: { paragraphs: { context: string, qas: { id: string, question: string, answers: { text: string }[] }[] }[] }[] }} */
  const { data: articles } = JSON.parse(readFileSync(join(data, 'xquad.en.json'), 'utf8'))
  const paragraphs = articles.flatMap(({ paragraphs: all }) => all)
  /** @type {typeof paragraphs} */
  const chosen = []
  let taken = 0
  // Spread over the articles.
  for (const paragraph of shuffle(paragraphs, seed)) {
    if (taken >= most) break
    chosen.push(paragraph)
    taken += paragraph.qas.length
  }
  const inputs = { most, seed, model, ...(!refusals && { refusals }) }
  const documents = await lab.rows('xquad-documents', inputs, (path) =>
    writeLines(
      path,
      chosen.map(({ context }, i) => ({ id: `p${i}`, text: context })),
    ),
  )
  const asked = await lab.rows('xquad-questions', inputs, (path) =>
    writeLines(
      path,
      chosen.flatMap(({ qas }, i) =>
        qas.map(({ id, question, answers }) => ({
          id,
          question,
          answers: answers.map((a) => a.text),
          document: `p${i}`,
        })),
      ),
    ),
  )
  const all = await lab.rows('xquad-raft', inputs, (path) =>
    lab.jora([
      'data',
      'raft',
      ...flagsOf({ documents, questions: asked, model, output: path, distractors: 2, 'chunk-tokens': 384 }),
      ...flagsOf({ 'without-golden': 'refuse', 'golden-probability': refusals ? undefined : 1, seed, overwrite: true }),
    ]),
  )
  const rows = readLines(all)
  const [training, test] = [rows.filter((row) => row.split === 'train'), rows.filter((row) => row.split === 'test')]
  const write = (/** @type {string} */ name, /** @type {unknown[]} */ some) =>
    lab.rows(`xquad-${name}`, inputs, (path) => writeLines(path, some))
  /** @type {(row: any, keep: (id: string) => boolean) => any[]} */
  const documentsOf = (row, keep) => row.context.filter((/** @type {any} */ { id }) => keep(id))
  return {
    documents,
    train: await write(
      'train',
      training.map(({ split: _split, ...row }) => row),
    ),
    heldOut: {
      closed: await write(
        'closed',
        test.flatMap((row) =>
          row.questions.map((/** @type {any} */ q) => ({ instruction: q.question, output: q.answer })),
        ),
      ),
      golden: await write(
        'golden',
        test.map((row) => ({ ...row, context: documentsOf(row, (id) => goldenOf(row).has(id)) })),
      ),
      distractors: await write('distractors', test),
      missing: await write(
        'missing',
        test.map((row) => ({
          ...row,
          context: documentsOf(row, (id) => !goldenOf(row).has(id)),
          questions: row.questions.map((/** @type {any} */ q) => ({
            ...q,
            answer: DEFAULT_REFUSAL,
            answers: [DEFAULT_REFUSAL],
            golden: [],
          })),
        })),
      ),
    },
    questions: { train: countOf(training), heldOut: countOf(test) },
  }
}

/**
 * The first of so many parts of a file's rows, by its questions; all of them where it is one.
 * @param {Lab} lab @param {string} file @param {number} parts
 * @returns {Promise<{ path: string, questions: number }>}
 */
export async function partOf(lab, file, parts) {
  const all = readLines(file)
  if (parts === 1) return { path: file, questions: countOf(all) }
  const rows = firstQuestions(all, Math.round(countOf(all) / parts))
  const path = await lab.rows(`part-of-${parts}`, [file, parts], (to) => writeLines(to, rows))
  return { path, questions: countOf(rows) }
}

/** Questions of rows. @param {readonly any[]} rows @returns {number} */
const countOf = (rows) => rows.reduce((sum, row) => sum + row.questions.length, 0)

/** Ids of the documents that answer the questions of a row. @param {any} row @returns {Set<string>} */
const goldenOf = (row) => new Set(row.questions.flatMap((/** @type {any} */ { golden }) => golden))

/**
 * Questions on tables: the first `questions` of the sample, a fifth of the tables held out by the rows' own mark.
 * @param {Lab} lab @param {StudyFlags} flags
 * @returns {Promise<{ train: string, heldOut: string, questions: { train: number, heldOut: number } }>}
 */
export async function tableRows(lab, { data, questions: most, seed }) {
  const inputs = { most, seed }
  const all = await lab.rows('tables-all', 'wikitablequestions', (path) =>
    importRows(lab, path, { format: 'wikitablequestions', input: join(data, 'wikitablequestions-sample') }),
  )
  const rows = firstQuestions(shuffle(readLines(all), seed), most)
  const cut = Math.round(0.8 * rows.length)
  const [training, test] = [rows.slice(0, cut), rows.slice(cut)]
  return {
    train: await lab.rows('tables-train', inputs, (path) => writeLines(path, training)),
    heldOut: await lab.rows('tables-heldout', inputs, (path) => writeLines(path, test)),
    questions: { train: countOf(training), heldOut: countOf(test) },
  }
}

/** Tasks of bAbI by the sentences that answer a question together. */
const tasks = {
  one: 'qa1_single-supporting-fact',
  two: 'qa2_two-supporting-facts',
  three: 'qa3_three-supporting-facts',
}

/**
 * Questions on stories: of the task's own training file `questions`, and a quarter as many of its test file.
 * @param {Lab} lab @param {StudyFlags} flags @param {keyof typeof tasks} facts
 * @returns {Promise<{ train: string, heldOut: string, questions: { train: number, heldOut: number } }>}
 */
export async function storyRows(lab, { data, questions: most, seed }, facts) {
  const read = async (/** @type {'train' | 'test'} */ part, /** @type {number} */ size) => {
    const name = `${tasks[facts]}_${part}`
    const all = await lab.rows(`${name}-all`, name, (path) =>
      importRows(lab, path, { format: 'babi', input: join(data, 'babi', `${name}.txt`) }),
    )
    const rows = firstQuestions(shuffle(readLines(all), seed), size)
    const path = await lab.rows(name, { most, seed }, (file) => writeLines(file, rows))
    return { path, count: countOf(rows) }
  }
  const [train, heldOut] = [await read('train', most), await read('test', Math.round(most / 4))]
  return { train: train.path, heldOut: heldOut.path, questions: { train: train.count, heldOut: heldOut.count } }
}

/**
 * Whom a post of a chat log answers, within ten posts: logs for training, and other logs held out.
 * @param {Lab} lab @param {StudyFlags} flags
 * @returns {Promise<{ train: string, heldOut: string, questions: { train: number, heldOut: number } }>}
 */
export async function threadRows(lab, { data, questions: most, seed }) {
  const read = async (/** @type {'train' | 'dev'} */ part, /** @type {number} */ size) => {
    const all = await lab.rows(`irc-${part}-all`, part, (path) =>
      importRows(lab, path, { format: 'threads', window: 10, input: join(data, 'irc-disentanglement', part) }),
    )
    const rows = firstQuestions(shuffle(readLines(all), seed), size)
    const path = await lab.rows(`irc-${part}`, { most, seed }, (file) => writeLines(file, rows))
    return { path, count: rows.reduce((sum, row) => sum + (row.questions?.length ?? 1), 0) }
  }
  const [train, heldOut] = [await read('train', Math.round(0.8 * most)), await read('dev', Math.round(0.2 * most))]
  return { train: train.path, heldOut: heldOut.path, questions: { train: train.count, heldOut: heldOut.count } }
}

/**
 * General rows: hand-written tasks of Self-Instruct and sums of GSM8K. Those to mix in and those to measure on are different ones.
 * @param {Lab} lab @param {StudyFlags} flags
 * @returns {Promise<{ mix: string, tasks: string, sums: string }>}
 */
export async function generalRows(lab, { data, seed, questions }) {
  const tasks = shuffle(readLines(join(data, 'self_instruct_seed_tasks.jsonl')), seed).map(
    ({ instruction, instances }) => ({
      instruction,
      input: instances[0].input,
      output: instances[0].output,
    }),
  )
  const half = Math.floor(tasks.length / 2)
  /** @type {unknown[]} */
  const sums = JSON.parse(readFileSync(join(data, 'gsm8k_train_alpaca.json'), 'utf8'))
  const test = readLines(join(data, 'gsm8k_test.jsonl')).map(({ question, answer }) => ({
    instruction: question,
    output: answer.replace(/<<[^>]*>>/g, '').replace(/\n#### .*/, ''),
  }))
  const heldOut = Math.max(4, Math.round(questions / 5))
  const inputs = { seed, questions }
  return {
    mix: await lab.rows('general-mix', inputs, (path) =>
      writeLines(path, shuffle([...tasks.slice(0, half), ...shuffle(sums, seed).slice(0, half)], seed)),
    ),
    tasks: await lab.rows('general-tasks', inputs, (path) => writeLines(path, tasks.slice(half).slice(0, heldOut))),
    sums: await lab.rows('general-sums', inputs, (path) => writeLines(path, test.slice(0, heldOut))),
  }
}

/** Runs `jora data import`. @param {Lab} lab @param {string} output @param {Record<string, string | number>} flags */
const importRows = (lab, output, flags) =>
  lab.jora(['data', 'import', ...flagsOf({ ...flags, output, overwrite: true })])

/** Rows up to so many questions. @param {readonly any[]} rows @param {number} most @returns {any[]} */
function firstQuestions(rows, most) {
  /** @type {any[]} */
  const kept = []
  let left = most
  for (const row of rows) {
    if (left <= 0) break
    kept.push('questions' in row ? { ...row, questions: row.questions.slice(0, left) } : row)
    left -= row.questions?.length ?? 1
  }
  return kept
}
