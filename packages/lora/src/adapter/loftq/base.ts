// The base of a LoftQ adapter. After the first round it is the model as it is quantised; each further one quantises what the
// adapter, as it was then, leaves of the weights: a base of its own, which W − s·B A of that adapter tells.
import { storedType, type DecoderConfig } from '@jora/llama'
import {
  blockBytesOf,
  decodeRows,
  quantisedLayout,
  quantisedValues,
  type Quantisation,
  type WeightSource,
} from '@jora/tensor/weights'
import { ConfigError } from '../../settings/config-error'
import { loraRank, loraScaling, type LoraConfig } from '../../settings/lora-config'
import type { LowRankArrays } from '../host'
import { addLowRank } from '../low-rank'
import type { Parts } from '../methods/method'
import { principalFactors } from '../singular'
import { adaptedModules, type AdaptedModule } from '../target-modules'

/** How the base of LoftQ of so many bits is quantised. */
export const quantisationOf = ({ bits }: NonNullable<LoraConfig['loftqConfig']>): Quantisation =>
  bits === 4 ? 'nf4' : 'int8'

/**
 * A weight of a model in floats on the host, row-major; rows `from` (included) to `to` (excluded), or all of them.
 * @throws ConfigError for one that is in blocks already
 */
export async function originalWeight(
  source: WeightSource,
  name: string,
  [from, to]: readonly [number?, number?] = [],
): Promise<Float32Array> {
  const { type: stored, shape, file } = source.entries.get(name)!
  const type = storedType(stored)
  if (!['f32', 'f16', 'bf16'].includes(type))
    throw new ConfigError(`${file}: ${name} is ${type}, expected floats: LoftQ quantises them itself`)
  const rowBytes = blockBytesOf(type, shape[1]!)
  const bytes = from === undefined ? await source.read(name) : await source.read(name, from * rowBytes, to! * rowBytes)
  return decodeRows(bytes, type)
}

/** Subtracts scale · B A from rows `from…` of a weight, `[n, in]`, which are changed. */
const subtract = (rows: Float32Array, from: number, { loraA, loraB }: Parts<Float32Array>, r: number, scale: number) =>
  addLowRank(rows, from, loraA, loraB, r, -scale)

/**
 * The factors that are taken from a weight before it is quantised in the last round: those that the round before came to.
 * @param weight row-major
 * @param quantised what is read back of a matrix, row-major, once it is quantised
 */
export function takenBefore(
  weight: Float32Array,
  { rows, columns, r }: { readonly rows: number; readonly columns: number; readonly r: number },
  scale: number,
  iterations: number,
  quantised: (matrix: Float32Array) => Float32Array,
): Parts<Float32Array> | undefined {
  let factors: Parts<Float32Array> | undefined
  for (let round = 1; round < iterations; round++) {
    const left = weight.slice()
    if (factors) subtract(left, 0, factors, r, scale)
    const read = quantised(left)
    const error = weight.map((value, i) => value - read[i]!)
    factors = principalFactors(error, { rows, columns, r }, scale)
  }
  return factors
}

/** The modules of `config` that are quantised. */
const quantisedModules = (model: DecoderConfig, config: LoraConfig): AdaptedModule[] =>
  adaptedModules(model, config).filter(
    ({ inFeatures }) => quantisedLayout(quantisationOf(config.loftqConfig!), inFeatures) !== undefined,
  )

/** What the base of an adapter lacks of the model: a product of each module; undefined where it lacks nothing. */
export async function fitBase(
  source: WeightSource,
  model: DecoderConfig,
  config: LoraConfig,
): Promise<LowRankArrays | undefined> {
  const { iterations } = config.loftqConfig!
  if (iterations === 1) return undefined
  const method = quantisationOf(config.loftqConfig!)
  const taken: Record<string, Parts<Float32Array>> = {}
  for (const { name, inFeatures: columns, outFeatures: rows } of quantisedModules(model, config)) {
    const weight = await originalWeight(source, `${name}.weight`)
    const shape = { rows, columns, r: loraRank(config, name) }
    const quantised = (matrix: Float32Array) => quantisedValues(matrix, columns, method)
    taken[name] = takenBefore(weight, shape, loraScaling(config, name), iterations, quantised)!
  }
  return taken
}

/** A model's weights with what {@link fitBase} says taken from them: quantised as they are read, they are the adapter's base. */
export function fittedSource(source: WeightSource, taken: LowRankArrays, config: LoraConfig): WeightSource {
  const moduleOf = (name: string) => taken[name.replace(/\.weight$/, '')]
  const entries = new Map(
    [...source.entries].map(([name, entry]) => [name, moduleOf(name) ? { ...entry, type: 'F32' as const } : entry]),
  )
  return {
    entries,
    async read(name, from, to) {
      const parts = moduleOf(name)
      if (!parts) return source.read(name, from, to)
      const rowBytes = 4 * entries.get(name)!.shape[1]!
      const range = from === undefined || to === undefined ? ([] as const) : ([from / rowBytes, to / rowBytes] as const)
      const rows = await originalWeight(source, name, range)
      const module = name.replace(/\.weight$/, '')
      subtract(rows, range[0] ?? 0, parts, loraRank(config, module), loraScaling(config, module))
      return new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength)
    },
    range: (name) => (moduleOf(name) ? undefined : source.range?.(name)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** A weight as the base of an adapter has it, read back; undefined where the base has it as it is. */
export async function fittedWeight(
  source: WeightSource,
  module: string,
  config: LoraConfig,
  taken: LowRankArrays | undefined,
): Promise<Float32Array | undefined> {
  const name = `${module}.weight`
  const columns = source.entries.get(name)!.shape[1]!
  const method = quantisationOf(config.loftqConfig!)
  if (!quantisedLayout(method, columns)) return undefined
  const weight = await originalWeight(source, name)
  const parts = taken?.[module]
  if (parts) subtract(weight, 0, parts, loraRank(config, module), loraScaling(config, module))
  return quantisedValues(weight, columns, method)
}
