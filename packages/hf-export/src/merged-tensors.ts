// A model's weights with a LoRA adapter added, read in blocks of rows: what every export writes from.
import { loadConfig, readCheckpoint, weightShapes, type DecoderConfig, type StoredTensor } from '@jora/llama'
import { loraScaling, readAdapter } from '@jora/lora'
import { decodeFloats, floatBytes, isFloatDType, openSafetensors, type SafetensorsFile } from '@jora/tensor/safetensors'
import { addLowRank } from './low-rank'

/** Bytes of float32 a tensor is worked on at a time. */
const blockBytes = 2 ** 22

/** What is added to a weight: scale · B·A. */
export interface Delta {
  /** `[r, in]` */
  readonly loraA: Float32Array
  /** `[out, r]` */
  readonly loraB: Float32Array
  readonly r: number
  readonly scale: number
}

/** Consecutive rows of a tensor. */
export interface RowBlock {
  /** The first row. */
  readonly from: number
  /** `[rows, columns]`, float32, the reader's to change. */
  readonly values: Float32Array
}

/**
 * The model in a folder, with the adapter of another where one is given. Only headers and the adapter are in memory;
 * weights are read as they are asked for. Close it when done (or declare it with `await using`).
 */
export class MergedTensors implements AsyncDisposable {
  readonly config: DecoderConfig
  /** Every tensor as stored, in checkpoint order, those the config does not call for last. */
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** By module, e.g. `model.layers.0.self_attn.q_proj`. */
  readonly deltas: ReadonlyMap<string, Delta>
  readonly #files = new Map<string, SafetensorsFile>()

  private constructor(
    config: DecoderConfig,
    stored: ReadonlyMap<string, StoredTensor>,
    deltas: ReadonlyMap<string, Delta>,
  ) {
    this.config = config
    const names = new Set([...weightShapes(config).keys(), ...[...stored.keys()].sort()])
    this.tensors = new Map([...names].map((name) => [name, stored.get(name)!]))
    this.deltas = deltas
  }

  /** @throws ConfigError | ModelError | HubError | SafetensorsError for a model or adapter that cannot be used */
  static async open(modelDir: string, adapterDir?: string): Promise<MergedTensors> {
    const config = await loadConfig(modelDir)
    const stored = await readCheckpoint(modelDir, config)
    return new MergedTensors(
      config,
      stored,
      adapterDir === undefined ? new Map() : await readDeltas(adapterDir, config),
    )
  }

  /** What the adapter adds to the tensor of that name. */
  delta(name: string): Delta | undefined {
    return this.deltas.get(name.replace(/\.weight$/, ''))
  }

  /** The tensor's bytes as stored, without what the adapter adds. */
  async stored(name: string): Promise<Uint8Array> {
    return (await this.#open(name)).read(name)
  }

  /**
   * The tensor, W + scale · B·A, in blocks of whole rows, about 4 MB each: the sum of ranks in float64, the result in
   * float32. A vector is one row.
   * @param multiple rows of each block are a multiple of this, where the tensor's rows are
   */
  async *rows(name: string, multiple = 1): AsyncGenerator<RowBlock> {
    const { info } = this.tensors.get(name)!
    const { dtype, shape } = info
    if (!isFloatDType(dtype)) throw new TypeError(`${name} is ${dtype}, expected F32, F16 or BF16`)
    const file = await this.#open(name)
    const columns = shape.at(-1) ?? 1
    const rows = columns === 0 ? 0 : shape.reduce((n, d) => n * d, 1) / columns
    const step = Math.max(1, Math.floor(blockBytes / 4 / columns / multiple)) * multiple
    const rowBytes = columns * floatBytes[dtype]
    const delta = this.delta(name)
    for (let from = 0; from < rows; from += step) {
      const bytes = await file.readRange(name, from * rowBytes, Math.min(rows, from + step) * rowBytes)
      const values = decodeFloats(bytes, dtype)
      if (delta) addLowRank(values, from, delta.loraA, delta.loraB, delta.r, delta.scale)
      yield { from, values }
    }
  }

  async #open(name: string): Promise<SafetensorsFile> {
    const { file: path } = this.tensors.get(name)!
    const open = this.#files.get(path) ?? (await openSafetensors(path))
    this.#files.set(path, open)
    return open
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) await file.close()
  }
}

/** The adapter in `folder`; rank and scale may differ from module to module. */
export async function readDeltas(folder: string, model: DecoderConfig): Promise<Map<string, Delta>> {
  const { adapter, config } = await readAdapter(folder, model)
  const shapes = weightShapes(model)
  return new Map(
    Object.entries(adapter).map(([module, { loraA, loraB }]) => {
      const r = loraA.length / shapes.get(`${module}.weight`)![1]!
      return [module, { loraA, loraB, r, scale: loraScaling(config, module) }]
    }),
  )
}
