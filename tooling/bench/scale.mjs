// Documents at scale, in one command: `jora data raft` on 100,000 passages and 10,000 questions (time, processor time, peak memory of
// all its processes), stopped in the middle and gone on with, too; then how long a search among as many passages takes.
//   node scale.mjs --model DIR [--encoder DIR] [--passages 100000] [--per-document 10] [--questions 10000] [--only whole,stopped,search]
// It needs the built command (npm run build) and, for dense and hybrid search, a sentence encoder; about ten minutes on two cores.
// A gigabyte in 11,600 files is `--passages 1125200 --per-document 97 --questions 290 --only whole`: some minutes, and several times its size on disk.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { corpusOf } from './corpus.mjs'
import { measure, usageOf } from './measured.mjs'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    encoder: { type: 'string' },
    passages: { type: 'string', default: '100000' },
    'per-document': { type: 'string', default: '10' },
    questions: { type: 'string', default: '10000' },
    only: { type: 'string', default: 'whole,stopped,search' },
  },
})
const parts = flags.only.split(',')
if (!flags.model) throw new Error('--model is required: the folder of a model, whose tokens are counted')
const cli = join(import.meta.dirname, '../../apps/cli/bin/jora.mjs')
const folder = mkdtempSync(join(tmpdir(), 'jora-scale-'))
/** @param {string} name */
const path = (name) => join(folder, name)

/** @param {string} output */
const argsOf = (output) => {
  const files = ['--documents', path('docs'), '--questions', path('q.jsonl'), '--output', path(output)]
  return [cli, 'data', 'raft', ...files, '--model', flags.model ?? '', '--chunk-tokens', '1000', '--json']
}

/** Runs the command until it kept so many bytes, and ends it. @param {string} output @param {number} bytes */
async function stopAt(output, bytes) {
  const child = spawn(process.execPath, argsOf(output), { stdio: 'ignore' })
  const ended = new Promise((done) => child.on('close', done))
  const work = path(`.${output}.work`)
  const kept = () => {
    try {
      return readdirSync(work).reduce((sum, name) => sum + statSync(join(work, name)).size, 0)
    } catch {
      return 0 // not begun
    }
  }
  while (child.exitCode === null && kept() < bytes) await new Promise((done) => setTimeout(done, 50))
  const { cpuSeconds } = usageOf(child.pid ?? 0)
  child.kill('SIGKILL')
  await ended
  return cpuSeconds
}

try {
  const options = {
    passages: Number(flags.passages),
    perDocument: Number(flags['per-document']),
    questions: Number(flags.questions),
  }
  mkdirSync(path('docs'))
  let [files, characters] = [0, 0]
  /** @type {string[]} */
  const lines = []
  for (const { document, questions } of corpusOf(options)) {
    writeFileSync(path(`docs/${document.id}.txt`), document.text)
    files++
    characters += document.text.length
    lines.push(...questions.map((each) => `${JSON.stringify(each)}\n`))
  }
  writeFileSync(path('q.jsonl'), lines.join(''))
  console.log(
    `${flags.passages} passages in ${files} files, ${(characters / 2 ** 20).toFixed(0)} MiB, ${lines.length} questions`,
  )
  /** @param {string} what @param {Awaited<ReturnType<typeof measure>>} result @param {number} [before] */
  const tell = (what, { statistics, wallSeconds, cpuSeconds, peakPssMb }, before = 0) =>
    console.log(
      `${what}: ${wallSeconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU${before > 0 ? ` after ${before.toFixed(1)} s before the stop` : ''}, peak ${peakPssMb.toFixed(0)} MB, ${statistics.chunks} chunks, ${statistics.contexts} contexts`,
    )
  if (parts.includes('whole')) tell('data raft', await measure(process.execPath, argsOf('whole.jsonl')))
  if (parts.includes('stopped')) {
    const before = await stopAt('stopped.jsonl', 1.6 * characters)
    tell('stopped by kill -9, and gone on with', await measure(process.execPath, argsOf('stopped.jsonl')), before)
  }
  if (parts.includes('whole') && parts.includes('stopped')) {
    const same = readFileSync(path('whole.jsonl')).equals(readFileSync(path('stopped.jsonl')))
    console.log(same ? 'both files are the same' : 'THE FILES DIFFER')
    if (!same) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

if (parts.includes('search')) {
  const search = [join(import.meta.dirname, 'retrieval.mjs'), '--only', 'time', '--passages', flags.passages]
  if (flags.encoder !== undefined) search.push('--encoder', flags.encoder)
  await new Promise((done) => spawn(process.execPath, search, { stdio: 'inherit' }).on('close', done))
}
