// The true vocabularies against the Rust tokenizers: awkward texts one by one, and the texts of ../shared/data by a hash.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadTokenizer, type Tokenizer } from '../src/index'
import { hasShared, shared } from './shared'

interface Golden {
  readonly cases: readonly { readonly text: string; readonly ids: readonly number[] }[]
  /** Of each data set, how many ids its texts have, their SHA-256 as little-endian u32, and that of the texts they decode to. */
  readonly sets: Readonly<Record<string, readonly [count: number, ids: string, decoded: string]>>
}
const path = process.env.JORA_TOKENIZER_GOLDENS ?? join(import.meta.dirname, 'goldens/rust-tokenizers.json')
const { every, ...goldens } = JSON.parse(readFileSync(path, 'utf8')) as { every: number } & Record<string, Golden>

/** What a file holds, as the script that made the goldens reads it: each string of its rows, or its paragraphs. */
function textsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  const strings = (value: unknown): string[] => {
    if (typeof value === 'string') return [value]
    return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
  }
  if (extname(file) === '.json') return strings(JSON.parse(text))
  if (extname(file) !== '.jsonl') return text.split('\n\n')
  return text.split('\n').flatMap((line) => (line.trim() ? strings(JSON.parse(line)) : []))
}

const byteOrder = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

function filesOf(set: string): string[] {
  const root = join(shared, 'data')
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => name === set || name.startsWith(`${set}/`))
    .filter((name) => ['.json', '.jsonl', '.txt', '.md', '.tsv'].includes(extname(name)))
    .sort(byteOrder)
    .map((name) => join(root, name))
}

describe.each(['llama2', 'llama3', 'gemma2'])('%s', (name) => {
  const golden = goldens[name] as Golden
  let loading: Promise<Tokenizer> | undefined
  const load = () => (loading ??= loadTokenizer(join(shared, 'tokenizers', name)))

  test('awkward and random texts have the same ids', async (ctx) => {
    ctx.skip(!hasShared, 'needs ../shared')
    const tokenizer = await load()
    const wrong = golden.cases.filter(
      ({ text, ids }) => tokenizer.encode(text, { addBos: false }).join() !== ids.join(),
    )
    expect(wrong.map(({ text, ids }) => ({ text, ids, ours: tokenizer.encode(text, { addBos: false }) }))).toEqual([])
  })

  test.for(Object.keys(golden.sets))(
    '%s: the same ids, and the same text of them',
    { timeout: 600_000 },
    async (set, ctx) => {
      ctx.skip(!hasShared, 'needs ../shared')
      const tokenizer = await load()
      const [hash, decoded] = [createHash('sha256'), createHash('sha256')]
      let count = 0
      const texts = filesOf(set)
        .flatMap(textsOf)
        .filter((_, i) => i % (set === 'pretrain-text' ? 20 * every : every) === 0)
      for (const text of texts) {
        const ids = tokenizer.encode(text, { addBos: false })
        count += ids.length
        hash.update(Uint32Array.from(ids))
        decoded.update(tokenizer.decode(ids))
      }
      expect([count, hash.digest('hex'), decoded.digest('hex')]).toEqual(golden.sets[set])
    },
  )
})
