// Which ids are BOS, EOS and PAD, from the files that may say so.

import { asArray, asRecord, asString, isRecord, type JsonRecord } from '../records/json'

/** Ids a model's own configuration names (config.json, generation_config.json). */
export interface ModelTokenIds {
  bosTokenId?: number | undefined
  eosTokenId?: number | undefined
}

export interface SpecialTokens {
  bosId: number | undefined
  eosId: number | undefined
  padId: number | undefined
  /** Whether the model's tokenizer puts BOS before every text. */
  addsBos: boolean
}

const BOS_NAMES = ['<|begin_of_text|>', '<bos>', '<s>']
const EOS_NAMES = ['<|end_of_text|>', '<eos>', '</s>', '<|endoftext|>', '<|im_end|>']
const PAD_NAMES = ['<pad>', '[PAD]']

/** `bos_token_id` and the like: a number, or a list whose first entry is the token's main form. */
export function readModelTokenIds(...configs: readonly unknown[]): ModelTokenIds {
  const read = (key: string) => {
    for (const config of configs) {
      const value = asRecord(config)[key]
      const id: unknown = Array.isArray(value) ? value[0] : value
      if (typeof id === 'number') return id
    }
    return undefined
  }
  return { bosTokenId: read('bos_token_id'), eosTokenId: read('eos_token_id') }
}

/** The first SpecialToken of the post-processor's template when it is before the text, as an id. */
function templatePrefix(postProcessor: unknown): number | undefined {
  const record = asRecord(postProcessor)
  if (record.type === 'Sequence') {
    return asArray(record.processors)
      .map(templatePrefix)
      .find((id) => id !== undefined)
  }
  if (record.type === 'RobertaProcessing' || record.type === 'BertProcessing') {
    const id = asArray(record.cls)[1]
    return typeof id === 'number' ? id : undefined
  }
  if (record.type !== 'TemplateProcessing') return undefined
  const token = asString(asRecord(asRecord(asArray(record.single)[0]).SpecialToken).id)
  const ids = token === undefined ? [] : asArray(asRecord(asRecord(record.special_tokens)[token]).ids)
  return typeof ids[0] === 'number' ? ids[0] : undefined
}

/**
 * In this order: tokenizer_config.json's token, the post-processor's template (BOS), the model's configuration, the
 * well-known names among tokenizer.json's special tokens. Whether BOS is added the post-processor alone decides, as in
 * transformers 5: `add_bos_token` is for folders without a tokenizer.json.
 */
export function findSpecialTokens(
  tokenizerJson: JsonRecord,
  config: JsonRecord,
  model: ModelTokenIds,
  tokenToId: (token: string) => number | undefined,
): SpecialTokens {
  const special = new Map<string, number>()
  for (const token of asArray(tokenizerJson.added_tokens)) {
    // Only special ones: Gemma's vocabulary has HTML's <s> and </s> as ordinary added tokens.
    if (isRecord(token) && token.special === true && typeof token.id === 'number')
      special.set(String(token.content), token.id)
  }
  const configured = (key: string) => {
    const value = config[key]
    const token = asString(isRecord(value) ? value.content : value)
    return token === undefined ? undefined : tokenToId(token)
  }
  const named = (names: readonly string[]) => names.map((name) => special.get(name)).find((id) => id !== undefined)
  const prefix = templatePrefix(tokenizerJson.post_processor)
  const bosId = configured('bos_token') ?? prefix ?? model.bosTokenId ?? named(BOS_NAMES)
  return {
    bosId,
    eosId: configured('eos_token') ?? model.eosTokenId ?? named(EOS_NAMES),
    padId: configured('pad_token') ?? named(PAD_NAMES),
    addsBos: bosId !== undefined && prefix === bosId,
  }
}
