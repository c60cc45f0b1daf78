// What the files of a sentence encoder say: a BERT, and how its hidden states become one vector.
import { ModelError, objectOf, Reader } from '../config/reader'

/** The functions that BERTs have between the two layers of a block. */
const activations = ['gelu', 'gelu_new', 'relu'] as const

/** Shape and details of a sentence encoder. */
export interface EncoderConfig {
  readonly vocabSize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layers: number
  readonly heads: number
  /** Tokens that a text can have at most, [CLS] and [SEP] among them. */
  readonly positions: number
  readonly tokenTypes: number
  /** Of the layer norms. */
  readonly epsilon: number
  readonly activation: (typeof activations)[number]
  /** The mean of all tokens, or the first token alone. */
  readonly pooling: 'mean' | 'cls'
  /** Tokens that are read of a text, [CLS] and [SEP] among them; the rest is left out. */
  readonly mostTokens: number
}

/** Files of sentence-transformers beside config.json. */
export const sentenceFiles = ['sentence_bert_config.json', '1_Pooling/config.json'] as const

/**
 * Reads config.json and, where they are, the files of sentence-transformers.
 *
 * @param json their parsed contents by name
 * @param folder what errors put before a file's name
 * @throws ModelError naming file and key for what is no BERT that can be run
 */
export function parseEncoderConfig(json: ReadonlyMap<string, unknown>, folder: string): EncoderConfig {
  const read = (name: string) => new Reader(objectOf(json.get(name) ?? {}, `${folder}/${name}`), `${folder}/${name}`)
  const config = read('config.json')
  const type = config.value('model_type')
  if (type !== 'bert')
    throw new ModelError(
      `${config.source}: "model_type" is ${JSON.stringify(type)}; expected "bert", as in sentence-transformers/all-MiniLM-L6-v2`,
    )
  if ((config.value('position_embedding_type') ?? 'absolute') !== 'absolute')
    config.fail('position_embedding_type', '"absolute"')
  const [hiddenSize, heads] = [config.integer('hidden_size'), config.integer('num_attention_heads')]
  if (hiddenSize % heads !== 0) config.fail('num_attention_heads', `a divisor of hidden_size (${hiddenSize})`)
  const activation = activations.find((name) => name === (config.value('hidden_act') ?? 'gelu'))
  const positions = config.integer('max_position_embeddings', 512)
  const pooling = read(sentenceFiles[1])
  return {
    vocabSize: config.integer('vocab_size'),
    hiddenSize,
    intermediateSize: config.integer('intermediate_size'),
    layers: config.integer('num_hidden_layers'),
    heads,
    positions,
    tokenTypes: config.integer('type_vocab_size', 2),
    epsilon: config.number('layer_norm_eps', 1e-12),
    activation: activation ?? config.fail('hidden_act', activations.join(', ')),
    pooling: poolingOf(pooling),
    mostTokens: Math.min(positions, read(sentenceFiles[0]).integer('max_seq_length', positions)),
  }
}

function poolingOf(file: Reader): EncoderConfig['pooling'] {
  const isOn = (key: string) => file.value(`pooling_mode_${key}`) === true
  const mean = file.value('pooling_mode_mean_tokens') ?? file.value('pooling_mode_cls_token') !== true
  if (isOn('max_tokens') || isOn('mean_sqrt_len_tokens') || (mean === true && isOn('cls_token')))
    throw new ModelError(`${file.source}: expected pooling_mode_mean_tokens or pooling_mode_cls_token alone`)
  return mean === true ? 'mean' : 'cls'
}
