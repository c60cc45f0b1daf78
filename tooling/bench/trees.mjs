// What context trees are worth: the same questions trained as trees, each on its own, and in PEFT-style torch, in turn.
//   node trees.mjs --rows rows.jsonl --tokenizer DIR [--questions 8.4] [--contexts 48] [--batch 8] [--rounds 1]
//     [--threads 2] [--python /usr/bin/python3]
// rows.jsonl holds context rows, such as `jora data import` writes. --questions N gives each context N questions on average:
// its own, and where it has too few, others of the file, so that a sample of few questions has the density of the whole.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadRows, loadTokenizer, separateSamples, tokenizeTree, treeSamples } from '@jora/data'

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string' },
    tokenizer: { type: 'string' },
    questions: { type: 'string' },
    contexts: { type: 'string', default: '48' },
    batch: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    python: { type: 'string', default: '/usr/bin/python3' },
  },
})
if (!flags.rows || !flags.tokenizer) throw new Error('--rows and --tokenizer are required')
const here = dirname(fileURLToPath(import.meta.url))
const vocabulary = 8192
const longest = 2000

const tokenizer = await loadTokenizer(flags.tokenizer)
const all = (await loadRows(flags.rows)).flatMap((row) => ('questions' in row ? [row] : []))
const everyQuestion = all.flatMap(({ questions }) => questions)
let taken = 0
let wanted = 0
/** @param {import('@jora/data').ContextRow} row */
const dense = (row) => {
  if (flags.questions === undefined) return row
  wanted += Number(flags.questions)
  const questions = [...row.questions]
  const count = Math.round(wanted)
  wanted -= count
  while (questions.length < count) {
    const { question, answer } = /** @type {import('@jora/data').ContextQuestion} */ (
      everyQuestion[taken++ % everyQuestion.length]
    )
    questions.push({ question, answer })
  }
  return { ...row, questions }
}
const trees = all
  .map((row) => tokenizeTree(dense(row), tokenizer, { template: 'alpaca' }))
  .map((tree) => ({
    ...tree,
    branches: tree.branches.filter((b) => b.contextLength + b.ids.length <= longest),
  }))
  .filter(({ branches }) => branches.length > 0)
  .slice(0, Number(flags.contexts))

/** Ids of the bench model, which has a vocabulary of its own. @param {import('@jora/data').Sample} sample */
const folded = ({ ids, labels, branches }) => ({
  ids: Array.from(ids, (id) => id % vocabulary),
  labels: Array.from(labels, (id) => (id < 0 ? id : id % vocabulary)),
  ...(branches ? { branches } : {}),
})
const folder = mkdtempSync(join(tmpdir(), 'jora-trees-'))
/** @param {string} name @param {import('@jora/data').Sample[]} samples */
const write = (name, samples) => {
  writeFileSync(join(folder, name), JSON.stringify(samples.map(folded)))
  return join(folder, name)
}

/** @param {string} program @param {string[]} args @returns {Record<string, number> | undefined} */
function measure(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26 })
  if (status === 0) return JSON.parse(/** @type {string} */ (stdout.trim().split('\n').at(-1)))
  console.error(stderr.trim().split('\n').at(-1))
  return undefined
}
const median = (/** @type {number[]} */ list) =>
  /** @type {number} */ ([...list].sort((a, b) => a - b)[Math.floor(list.length / 2)])

try {
  const separate = trees.flatMap(separateSamples)
  const apart = write('separate.json', separate)
  const packed = write(
    'trees.json',
    trees.flatMap((tree) => treeSamples(tree, longest)),
  )
  const work = ['--batch', flags.batch, '--threads', flags.threads]
  const ours = (/** @type {string} */ rows) =>
    measure(process.execPath, [join(here, 'lora-step.mjs'), '--rows', rows, ...work])
  const bench = join(here, '../reference/bench_torch.py')
  const rounds = Array.from({ length: Number(flags.rounds) }, () => ({
    trees: ours(packed),
    separate: ours(apart),
    torch: measure(flags.python, [bench, '--shape', '26m', '--rows', apart, ...work]),
  }))
  const contextTokens = median(trees.map(({ context }) => context.length))
  console.log(
    `${separate.length} questions on ${trees.length} contexts (${(separate.length / trees.length).toFixed(1)} each), context ${contextTokens} tokens`,
  )
  const line = (/** @type {string[]} */ cells) =>
    console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(22) : cell.padStart(16))).join(''))
  line(['', 'computed tokens', 'samples/s', 'peak MB', 'trees / this'])
  for (const [name, pick] of /** @type {const} */ ([
    ['JORA, trees', (/** @type {any} */ r) => r.trees],
    ['JORA, separate', (/** @type {any} */ r) => r.separate],
    ['torch, padded', (/** @type {any} */ r) => r.torch],
  ])) {
    const found = rounds.map(pick).filter(Boolean)
    if (found.length === 0) continue
    const speed = (/** @type {any} */ r) => r.samplesPerSecond ?? r.samples_per_s
    const ratios = rounds.filter((r) => r.trees && pick(r)).map((r) => speed(r.trees) / speed(pick(r)))
    line([
      name,
      String(median(found.map((r) => r.computedTokens ?? r.tokens))),
      median(found.map(speed)).toFixed(2),
      median(found.map((r) => r.peakMb ?? r.peak_rss_mb)).toFixed(0),
      median(ratios).toFixed(2),
    ])
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
