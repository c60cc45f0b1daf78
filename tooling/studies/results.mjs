// A page of docs/results remade: `npm run results -- NAME`. Stages are kept on disk; a study that was stopped goes on.
//   node results.mjs NAME [--questions N] [--epochs N] [--seed N] [--max-seq-length N] [--data DIR] [--model FILE.gguf or DIR] [--venv DIR]
//     [--drafter FILE.gguf or DIR] [--work DIR] [--output FILE.md]
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Lab } from './lab.mjs'
import { page } from './page.mjs'
import { studies } from './studies/index.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const names = Object.keys(studies).join(', ')
const usualModel = join(root, '.models/SmolLM2-135M-Instruct.Q4_1.gguf')
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    questions: { type: 'string' },
    epochs: { type: 'string' },
    seed: { type: 'string', default: '420' },
    'max-seq-length': { type: 'string', default: '1536' },
    data: { type: 'string', default: join(root, '../shared/data') },
    model: { type: 'string', default: usualModel },
    drafter: { type: 'string' },
    venv: { type: 'string' },
    work: { type: 'string', default: join(root, '.results') },
    output: { type: 'string' },
  },
})
const [name = '', ...rest] = positionals
const study = studies[name]
if (study === undefined || rest.length > 0) fail(`got ${positionals.join(' ') || 'no study'}, expected one of ${names}`)

const wanted = {
  data: existing('data', flags.data),
  model: existing('model', flags.model),
  questions: whole('questions', flags.questions ?? String(study.questions), 10),
  epochs: whole('epochs', flags.epochs ?? String(study.epochs), 1),
  seed: whole('seed', flags.seed, 0),
  maxLength: whole('max-seq-length', flags['max-seq-length'], 64),
  drafter: flags.drafter === undefined ? undefined : existing('drafter', flags.drafter),
  venv: flags.venv === undefined ? undefined : existing('venv', flags.venv),
}
const lab = new Lab(resolve(flags.work))
const body = await study.run(lab, wanted).catch((/** @type {Error} */ error) => {
  lab.say('Finished stages are kept: the same command goes on from here.')
  throw error
})
const output = resolve(flags.output ?? join(root, 'docs/results', `${name}.md`))
const size = ['questions', 'epochs', 'seed'].map((key) => `--${key} ${wanted[/** @type {'seed'} */ (key)]}`)
if (resolve(flags.model) !== usualModel) size.push(`--model ${basename(wanted.model)}`)
if (wanted.drafter !== undefined) size.push(`--drafter ${basename(wanted.drafter)}`)
if (wanted.venv !== undefined) size.push('--venv DIR')
if (basename(output) !== `${name}.md`) size.push(`--output ${basename(output)}`)
mkdirSync(dirname(output), { recursive: true })
writeFileSync(
  output,
  page({
    title: study.title,
    about: study.about,
    command: `npm run results -- ${name} ${size.join(' ')}`,
    model: basename(wanted.model),
    versions: versions(wanted.venv),
    body,
  }),
)
linkPage()
console.log(output)

/** The index names the page as a link. */
function linkPage() {
  const index = join(root, 'docs/results/README.md')
  if (dirname(output) !== dirname(index)) return
  writeFileSync(index, readFileSync(index, 'utf8').replace(`| ${name} |`, `| [${name}](${name}.md) |`))
}

/** @param {string | undefined} venv */
function versions(venv) {
  const { version } = JSON.parse(readFileSync(join(root, 'packages/lora/package.json'), 'utf8'))
  const own = `JORA ${version}, Node ${process.versions.node}`
  if (venv === undefined) return own
  const code =
    'import importlib.metadata as m; print(", ".join(f"{n} {m.version(n)}" for n in ("torch", "transformers", "peft")))'
  return `${own}, ${execFileSync(join(venv, 'bin/python'), ['-c', code], { encoding: 'utf8' }).trim()}`
}

/** @param {string} flag @param {string} text @param {number} least */
function whole(flag, text, least) {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least)
    fail(`--${flag}: got ${text}, expected an integer of at least ${least}`)
  return value
}

/** @param {string} flag @param {string} path */
function existing(flag, path) {
  if (!existsSync(path)) fail(`--${flag}: ${path} does not exist`)
  return resolve(path)
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(`results: ${message}`)
  process.exit(2)
}
