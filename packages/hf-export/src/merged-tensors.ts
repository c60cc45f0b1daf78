// A model's weights with a LoRA adapter added, read in blocks of rows: what every export writes from.
import { openModel, storedType, weightShapes, type DecoderConfig, type OpenModel } from '@jora/llama'
import {
  baseAsTrained,
  fittedWeight,
  loraRank,
  loraScaling,
  lowRankOf,
  methodOf,
  readAdapter,
  readTaken,
  replacedWeights,
  type AdapterMethod,
  type Parts,
  type ReplacedWeight,
} from '@jora/lora'
import { isFloatDType, isSafetensorsDType, safetensorsBytes } from '@jora/tensor/safetensors'
import { allFinite, blockBytesOf, decodeRows, type WeightEntry, type WeightSource } from '@jora/tensor/weights'
import { ExportError } from './export-error'

const embeddingName = 'model.embed_tokens.weight'
const headName = 'lm_head.weight'

/** Bytes of float32 a tensor is worked on at a time. */
const blockBytes = 2 ** 22

/** The adapter of one weight. */
export interface Delta {
  /** Its tensors; see `Parts` of `@jora/lora` for their shapes. */
  readonly parts: Parts<Float32Array>
  readonly method: AdapterMethod
  readonly r: number
  /** The factor on B·A. */
  readonly scale: number
}

/** What an adapter changes in a model. */
export interface Changes {
  /** Updates of low rank by module, e.g. `model.layers.0.self_attn.q_proj`. */
  readonly deltas: ReadonlyMap<string, Delta>
  /** Embedding and head, or rows of them, that are the adapter's own, by the name of their tensor. */
  readonly replaced: ReadonlyMap<string, ReplacedWeight>
  /** What a module's weight is in the adapter's own base, where that is quantised; absent for others. */
  readonly base?: ((weights: WeightSource, module: string) => Promise<Float32Array | undefined>) | undefined
}

/** Consecutive rows of a tensor. */
export interface RowBlock {
  /** The first row. */
  readonly from: number
  /** `[rows, columns]`, float32, the reader's to change. */
  readonly values: Float32Array
}

/**
 * The model in a folder or GGUF file, with the adapter of another where one is given. Only headers and the adapter are in memory;
 * weights are read as they are asked for. Close it when done (or declare it with `await using`).
 */
export class MergedTensors implements AsyncDisposable {
  readonly config: DecoderConfig
  /** What a block's bytes and values are read to: made anew for each, they would be gigabytes of garbage. */
  readonly #bytes = new Uint8Array(blockBytes)
  readonly #values = new Float32Array(blockBytes / 4)
  /** Every tensor as stored, in checkpoint order, those the config does not call for last. */
  readonly tensors: ReadonlyMap<string, WeightEntry>

  private constructor(
    readonly model: OpenModel,
    readonly changes: Changes,
  ) {
    // A head that the adapter has apart from the embedding is tied to it no more.
    const { tiedHead } = model.config
    const [embedding, head] = [embeddingName, headName].map((name) => changes.replaced.get(name))
    this.config = tiedHead && embedding !== head ? { ...model.config, tiedHead: false } : model.config
    const { entries } = model.weights
    const names = new Set([...weightShapes(this.config).keys(), ...[...entries.keys()].sort()])
    this.tensors = new Map([...names].map((name) => [name, entries.get(this.#stored(name))!]))
  }

  /** The tensor of the model that a tensor is made of. */
  #stored(name: string): string {
    return name === headName && this.model.config.tiedHead && !this.config.tiedHead ? embeddingName : name
  }

  /** Modules that the adapter changes. */
  get changedModules(): number {
    return this.changes.deltas.size + new Set(this.changes.replaced.values()).size
  }

  /** @throws ExportError | ConfigError | ModelError | HubError | SafetensorsError for a model or adapter that cannot be used */
  static async open(modelDir: string, adapterDir?: string): Promise<MergedTensors> {
    const model = await openModel(modelDir, { local: true })
    try {
      const none: Changes = { deltas: new Map(), replaced: new Map() }
      if (adapterDir === undefined) return new MergedTensors(model, none)
      return new MergedTensors(await baseAsTrained(model, adapterDir), await readChanges(adapterDir, model.config))
    } catch (error) {
      await model[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Whether the adapter changes the tensor of that name. */
  changed(name: string): boolean {
    return this.changes.replaced.has(name) || this.#delta(name) !== undefined
  }

  #delta(name: string): Delta | undefined {
    return this.changes.deltas.get(name.replace(/\.weight$/, ''))
  }

  /**
   * The bytes of a tensor that safetensors can hold, as stored, without what the adapter changes, 4 MB at a time; each part holds until
   * another block, of any tensor, is asked for.
   * @throws ExportError when a float is not finite
   */
  async *stored(name: string): AsyncGenerator<Uint8Array> {
    const { type, shape } = this.tensors.get(name)!
    const length = isSafetensorsDType(type) ? safetensorsBytes(type, shape) : undefined
    if (length === undefined) throw new TypeError(`${name} is stored as ${type}, which safetensors does not hold`)
    for (let at = 0; at < length; at += blockBytes) {
      const bytes = await this.model.weights.read(
        this.#stored(name),
        at,
        Math.min(length, at + blockBytes),
        this.#bytes,
      )
      if (isFloatDType(type) && !allFinite(bytes, type)) this.#notFinite(name)
      yield bytes
    }
  }

  #notFinite(name: string): never {
    const { file } = this.tensors.get(name)!
    throw new ExportError(`${file}: ${name} has values that are not finite (NaN or infinite); nothing was written`)
  }

  /**
   * The tensor, W + scale · B·A or what the adapter has in its place, in blocks of whole rows, about 4 MB each: the sum of ranks
   * in float64, the result in float32. A vector is one row. Of an adapter that LoftQ started W is that of its base, which is
   * quantised a matrix at a time. A block holds until another one, of any tensor, is asked for.
   * @param multiple rows of each block are a multiple of this, where the tensor's rows are
   * @throws ExportError when a value of the tensor is not finite
   */
  async *rows(name: string, multiple = 1): AsyncGenerator<RowBlock> {
    const { type, shape } = this.tensors.get(name)!
    const stored = storedType(type)
    const columns = shape.at(-1) ?? 1
    const rows = columns === 0 ? 0 : shape.reduce((n, d) => n * d, 1) / columns
    const step = Math.max(1, Math.floor(blockBytes / 4 / columns / multiple)) * multiple
    const rowBytes = blockBytesOf(stored, columns)
    const [delta, replaced] = [this.#delta(name), this.changes.replaced.get(name)]
    const base = delta && (await this.changes.base?.(this.model.weights, name.replace(/\.weight$/, '')))
    for (let from = 0; from < rows; from += step) {
      const to = Math.min(rows, from + step)
      const values =
        base?.slice(from * columns, to * columns) ??
        decodeRows(
          await this.model.weights.read(this.#stored(name), from * rowBytes, to * rowBytes, this.#bytes),
          stored,
          this.#values,
        )
      if (!allFinite(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 'F32')) this.#notFinite(name)
      if (delta) delta.method.merge(delta.parts, values, from, delta.r, delta.scale)
      replaced?.put(values, from)
      yield { from, values }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.model[Symbol.asyncDispose]())
  }
}

/** The adapter in `folder`; rank and scale may differ from module to module. */
export async function readChanges(folder: string, model: DecoderConfig): Promise<Changes> {
  const { adapter, config } = await readAdapter(folder, model)
  const method = methodOf(config)
  const deltas = Object.entries(lowRankOf(adapter)).map(
    ([module, parts]) =>
      [module, { parts, method, r: loraRank(config, module), scale: loraScaling(config, module) }] as const,
  )
  const taken = await readTaken(folder, model, config)
  const base: Changes['base'] =
    config.loftqConfig && ((weights, module) => fittedWeight(weights, module, config, taken))
  return { deltas: new Map(deltas), replaced: replacedWeights(adapter, model, config), base }
}
