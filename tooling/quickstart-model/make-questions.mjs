// Writes the question set of the quickstart: short texts with a question each, answered by quoting the sentence that says
// it. The model has read such texts and questions, but it was never asked to quote.
//   node make-questions.mjs [--out FILE] [--rows 1200] [--seed 2026]
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeFacts } from './facts.mjs'
import { makeRandom } from './random.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const { values: flags } = parseArgs({
  options: {
    out: { type: 'string', default: join(here, '../../apps/cli/assets/questions.jsonl') },
    rows: { type: 'string', default: '1200' },
    seed: { type: 'string', default: '2026' },
  },
})
const random = makeRandom(Number(flags.seed))
const seen = new Set()
/** @type {string[]} */
const lines = []
while (lines.length < Number(flags.rows)) {
  const facts = makeFacts(random, 3 + random.below(3))
  const input = facts.map((f) => f.fact).join(' ')
  if (seen.has(input)) continue
  seen.add(input)
  const { question, fact } = random.pick(facts)
  lines.push(
    JSON.stringify({
      instruction: 'Quote the sentence that answers the question.',
      input: `${input}\nQuestion: ${question}`,
      output: fact,
    }),
  )
}
writeFileSync(flags.out, `${lines.join('\n')}\n`)
