// BOS, EOS and the like, and whether they are put around a text.
import { bool, u32, type GgufValue } from '@jora/tensor/weights'
import { contentOf, list, record, type TokenizerFiles } from './tokenizer-files'

/** What BOS and EOS are mostly called, for folders that say it nowhere. */
const usualNames: Readonly<Record<string, readonly string[]>> = {
  bos: ['<|begin_of_text|>', '<bos>', '<s>'],
  eos: ['<|end_of_text|>', '<eos>', '</s>', '<|endoftext|>', '<|im_end|>'],
}

const keys = { bos: 'bos_token_id', eos: 'eos_token_id', unk: 'unknown_token_id', pad: 'padding_token_id' } as const
type Special = keyof typeof keys

/**
 * Ids of BOS and the like, from the first that says so, as JORA's own tokenizer has it: tokenizer_config.json, the
 * post-processor's template (BOS), generation_config.json, config.json, the usual names.
 */
export function specialIds(files: TokenizerFiles, size: number): Map<string, GgufValue> {
  const ids = new Map<string, GgufValue>()
  for (const kind of Object.keys(keys) as Special[]) {
    const id = idOf(files, kind)
    if (id !== undefined && id < size) ids.set(`tokenizer.ggml.${keys[kind]}`, u32(id))
  }
  return ids
}

function idOf(files: TokenizerFiles, kind: Special): number | undefined {
  const { vocab, unk_token: unknown } = record(files.json.model)
  const content = contentOf(files.config[`${kind}_token`]) ?? (kind === 'unk' ? contentOf(unknown) : undefined)
  const usual = files.addedTokens.filter(({ special, content: name }) => special && usualNames[kind]?.includes(name))
  const found: unknown[] = [
    content && (idOfAdded(files, content) ?? record(vocab)[content]),
    kind === 'bos' ? templateEnds(files)?.first : undefined,
    ...files.models.map((model) => model[`${kind}_token_id`]).map((id) => (Array.isArray(id) ? id[0] : id)),
    usual.toSorted((a, b) => usualNames[kind]!.indexOf(a.content) - usualNames[kind]!.indexOf(b.content))[0]?.id,
  ]
  return found.find((id): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0)
}

const idOfAdded = ({ addedTokens }: TokenizerFiles, content: string): number | undefined =>
  addedTokens.find((token) => token.content === content)?.id

/** Ids of the special tokens before and after the text in the post-processor's template; undefined without one. */
function templateEnds(files: TokenizerFiles): { first: number | undefined; last: number | undefined } | undefined {
  const processor = record(files.json.post_processor)
  const processors = processor.type === 'Sequence' ? list(processor.processors).map(record) : [processor]
  const template = processors.find(({ type }) => type === 'TemplateProcessing')
  if (!template) return undefined
  const single = list(template.single).map(record)
  const idAt = (at: number) => {
    const { id } = record(single.at(at)?.SpecialToken)
    return typeof id === 'string' ? idOfAdded(files, id) : undefined
  }
  return { first: idAt(0), last: idAt(-1) }
}

/**
 * Whether BOS and EOS are put around a text: as tokenizer_config.json says, else as the post-processor's template has it,
 * else, left out, as llama.cpp does by itself.
 */
export function additions(files: TokenizerFiles, ids: ReadonlyMap<string, GgufValue>): Map<string, GgufValue> {
  const ends = templateEnds(files)
  const stands = (id: number | undefined, kind: Special) =>
    id !== undefined && id === ids.get(`tokenizer.ggml.${keys[kind]}`)?.value
  const found: (readonly [kind: 'bos' | 'eos', fromTemplate: boolean | undefined])[] = [
    ['bos', ends && stands(ends.first, 'bos')],
    ['eos', ends && stands(ends.last, 'eos')],
  ]
  return new Map(
    found.flatMap(([kind, fromTemplate]) => {
      const said = files.config[`add_${kind}_token`]
      const adds = typeof said === 'boolean' ? said : fromTemplate
      return adds === undefined ? [] : [[`tokenizer.ggml.add_${kind}_token`, bool(adds)] as const]
    }),
  )
}
