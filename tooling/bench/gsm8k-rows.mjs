// Writes GSM8K rows as ids and labels for the bench: real lengths and masks, ids folded into the bench model's vocabulary.
//   node gsm8k-rows.mjs --data gsm8k_train_alpaca.json --tokenizer DIR --out rows.json [--count 96]
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { loadRows, loadTokenizer, tokenizeRow } from '@jora/data'

const { values: flags } = parseArgs({
  options: {
    data: { type: 'string' },
    tokenizer: { type: 'string' },
    out: { type: 'string' },
    count: { type: 'string', default: '96' },
    vocab: { type: 'string', default: '8192' },
  },
})
const { data, tokenizer: folder, out } = flags
if (!data || !folder || !out) throw new Error('--data, --tokenizer and --out are required')
const tokenizer = await loadTokenizer(folder)
const vocab = Number(flags.vocab)
const loaded = (await loadRows(data)).flatMap((row) => ('questions' in row ? [] : [row]))
const rows = loaded.slice(0, Number(flags.count)).map((row) => {
  const { ids, labels } = tokenizeRow(row, tokenizer, { template: 'alpaca' })
  return { ids: Array.from(ids, (id) => id % vocab), labels: Array.from(labels, (id) => (id < 0 ? id : id % vocab)) }
})
writeFileSync(out, JSON.stringify(rows))
const lengths = rows.map((r) => r.ids.length)
console.log(
  JSON.stringify({
    rows: rows.length,
    tokens: lengths.reduce((a, b) => a + b, 0),
    longest: Math.max(...lengths),
    learned: rows.reduce((n, r) => n + r.labels.filter((l) => l >= 0).length, 0),
  }),
)
