// @ts-check
// Two phases, as in section 5 of the paper: tables for structure, then whom a post of a thread answers.
//   node examples/threads/run.mjs [--tables DIR] [--threads PATH] [--heldout PATH] [--window 10]
//     [--model DIR] [--size small|llama-2-7b] [--out DIR]
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = fileURLToPath(new URL('.', import.meta.url))
const { values } = parseArgs({
  options: {
    tables: { type: 'string', default: join(here, 'sample/tables') }, // WikiTableQuestions' folder
    threads: { type: 'string', default: join(here, 'sample/threads.json') }, // JSON, or annotated IRC logs
    heldout: { type: 'string', default: join(here, 'sample/threads-heldout.json') },
    window: { type: 'string', default: '10' }, // posts that a post may look back
    model: { type: 'string', default: join(here, '../../apps/cli/assets/tiny-llama') },
    size: { type: 'string', default: 'small' },
    out: { type: 'string', default: 'jora-threads' },
  },
})
const { model, size, out, window } = values
const at = (/** @type {string} */ name) => join(out, name)
const config = (/** @type {string} */ phase) => ['--config', join(here, `${size}-${phase}.yaml`)]
const jora = (/** @type {string[]} */ ...args) => {
  console.error(`\n$ jora ${args.join(' ')}`)
  const { status } = spawnSync(process.execPath, [join(here, '../../apps/cli/bin/jora.mjs'), ...args], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
mkdirSync(out, { recursive: true })
const imported = ['data', 'import', '--format', 'threads', '--window', window]
jora('data', 'import', '--format', 'wikitablequestions', '--input', values.tables, '--output', at('tables.jsonl'))
jora(...imported, '--input', values.threads, '--output', at('threads.jsonl'))
jora(...imported, '--input', values.heldout, '--output', at('heldout.jsonl'))

jora('train', ...config('tables'), '--model', model, '--dataset', at('tables.jsonl'), '--output-dir', at('tables'))
jora(
  'train',
  ...config('threads'),
  '--model',
  model,
  '--dataset',
  at('threads.jsonl'),
  '--init-adapter',
  at('tables'),
  '--output-dir',
  at('threads'),
)
// The paper's Table 2: target, reply, p(reply | target), before and after.
for (const adapter of [[], ['--adapter', at('tables')], ['--adapter', at('threads')]])
  jora(
    'eval',
    '--model',
    model,
    ...adapter,
    '--dataset',
    at('heldout.jsonl'),
    '--max-seq-length',
    '1024',
    '--on-overflow',
    'drop',
  )
