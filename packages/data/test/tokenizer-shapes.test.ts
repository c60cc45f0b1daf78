// The shapes of popular tokenizers, over small models, and the true vocabularies: ids of 1,000 texts that a seed gives, equal to
// those of the Rust tokenizers.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Dice } from '../../../tooling/fuzz/mutate'
import { createTokenizer, loadTokenizer, type Tokenizer } from '../src/index'
import { hasShared, shared } from './shared'

interface Golden {
  /** Six hexadecimal digits a text. */
  readonly ids: string
  readonly decoded: string
}
interface Shape extends Golden {
  readonly model: string
  readonly json: object
}
interface Model {
  readonly type: string
  readonly vocab: readonly string[] | readonly (readonly [string, number])[]
}

const goldens = JSON.parse(readFileSync(join(import.meta.dirname, 'goldens/tokenizer-shapes.json'), 'utf8')) as {
  readonly texts: { pools: string[]; phrases: string[]; added: string[]; count: number }
  readonly models: Readonly<Record<string, Model>>
  readonly shapes: Readonly<Record<string, Shape>>
  readonly true: Readonly<Record<string, Golden>>
}
const pools = goldens.texts.pools.map((pool) => [...pool])

/** As the script that made the goldens draws it. */
function textOf(seed: number): string {
  const dice = new Dice(seed)
  let text = ''
  for (let parts = 1 + dice.below(40); parts > 0; parts--) {
    const kind = dice.below(20)
    if (kind === 0) text += dice.pick(goldens.texts.added)
    else text += kind === 1 ? dice.pick(goldens.texts.phrases) : dice.pick(dice.pick(pools))
  }
  return text
}
const texts = Array.from({ length: goldens.texts.count }, (_, seed) => textOf(seed))

function modelOf(name: string): object {
  const model = goldens.models[name]!
  const isScored = model.type === 'Unigram'
  return isScored ? model : { ...model, vocab: Object.fromEntries(model.vocab.map((piece, id) => [piece, id])) }
}

function hold(tokenizer: Tokenizer, golden: Golden): void {
  const ids = texts.map((text) => tokenizer.encode(text, { addBos: false }))
  const digits = ids.map((each) => createHash('sha256').update(Uint32Array.from(each)).digest('hex').slice(0, 6))
  const wrong = texts.flatMap((text, i) =>
    golden.ids.slice(6 * i, 6 * i + 6) === digits[i] ? [] : [{ text, ids: ids[i] }],
  )
  expect({ wrong: wrong.length, first: wrong.slice(0, 2) }).toEqual({ wrong: 0, first: [] })
  const decoded = createHash('sha256').update(ids.map((each) => tokenizer.decode(each)).join('\0'))
  expect(decoded.digest('hex')).toBe(golden.decoded)
}

describe('shapes of tokenizers', () => {
  test.each(Object.entries(goldens.shapes))('%s', (_name, { model, json, ...golden }) => {
    hold(createTokenizer({ ...json, model: modelOf(model) }), golden)
  })
})

describe('true vocabularies', () => {
  test.for(Object.entries(goldens.true))('%s', async ([name, golden], ctx) => {
    ctx.skip(!hasShared, 'needs ../shared')
    hold(await loadTokenizer(join(shared, 'tokenizers', name)), golden)
  })
})
