// Several LoRA adapters of one model as one: a weighted sum of their updates, as PEFT's add_weighted_adapter makes it.
import { readdir } from 'node:fs/promises'
import type { DecoderConfig } from '@jora/llama'
import { writeFolderAtomic } from '@jora/tensor/files'
import { ConfigError } from '../settings/config-error'
import { loraRank, loraScaling, type LoraConfig } from '../settings/lora-config'
import { lowRankOf } from './adapter'
import type { LowRankArrays } from './host'
import { addLowRank } from './low-rank'
import { isLowRank } from './methods/method'
import { arrayEntries, type PeftAdapter } from './peft/peft'
import { peftConfig } from './peft/peft-config'
import { writePeftFiles } from './peft/peft-folder'
import { checkStretch, readPrompt } from './prompt-file'
import { readAdapter } from './read-adapter'
import { largestSingular } from './singular'
import { adaptedModules } from './target-modules'

/** An update of one module: factor · B A. */
interface Update {
  readonly loraA: Float32Array
  readonly loraB: Float32Array
  readonly r: number
  readonly factor: number
}

interface Factors {
  readonly loraA: Float32Array
  readonly loraB: Float32Array
}

/** A way to make one update of several; the entries of the table {@link combinations}. */
interface Combination {
  /** Rank of the result, of those of the adapters. @throws ConfigError for ranks that it cannot have */
  rank(ranks: readonly number[], wanted: number | undefined): number
  /** A `[r, in]` and B `[out, r]`; rows and columns beyond what there is are 0. */
  factors(updates: readonly Update[], r: number): Factors
}

/** A and B of zeros, for updates of that shape. */
const zeros = ([first]: readonly Update[], r: number): Factors => ({
  loraA: new Float32Array((first!.loraA.length / first!.r) * r),
  loraB: new Float32Array((first!.loraB.length / first!.r) * r),
})

/** Adds `value` · B to columns `from…` of `into`, `[out, r]`. */
function addColumns(into: Float32Array, r: number, { loraB, r: own }: Update, from: number, value: number): void {
  for (let row = 0; row < loraB.length / own; row++)
    for (let k = 0; k < own; k++) into[row * r + from + k]! += value * loraB[row * own + k]!
}

/** How adapters are combined, by PEFT's names. */
export const combinations = {
  /** Exact: A and B one after another, so that ranks add up. */
  cat: {
    rank: (ranks) => ranks.reduce((sum, rank) => sum + rank, 0),
    factors(updates, r) {
      const { loraA, loraB } = zeros(updates, r)
      let from = 0
      for (const update of updates) {
        const columns = update.loraA.length / update.r
        for (const [i, value] of update.loraA.entries()) loraA[from * columns + i] = value * update.factor
        addColumns(loraB, r, update, from, 1)
        from += update.r
      }
      return { loraA, loraB }
    },
  },
  /** Sums of A and of B, each with the root of the factor: small, and rough, for A and B of one adapter meet those of the others. */
  linear: {
    rank(ranks) {
      if (new Set(ranks).size > 1)
        throw new ConfigError(
          `the adapters have ranks ${ranks.join(', ')}, expected equal ones for linear; cat and svd take any`,
        )
      return ranks[0]!
    },
    factors(updates, r) {
      const { loraA, loraB } = zeros(updates, r)
      for (const update of updates) {
        const root = Math.sqrt(Math.abs(update.factor))
        for (const [i, value] of update.loraA.entries()) loraA[i]! += Math.sign(update.factor) * root * value
        addColumns(loraB, r, update, 0, root)
      }
      return { loraA, loraB }
    },
  },
  /** The sum of the updates, cut to its largest singular values: as near as that rank comes. */
  svd: {
    rank: (ranks, wanted) => wanted ?? Math.max(...ranks),
    factors(updates, r) {
      const { loraA, loraB } = zeros(updates, r)
      const [columns, rows] = [loraA.length / r, loraB.length / r]
      const sum = new Float32Array(rows * columns)
      for (const update of updates) addLowRank(sum, 0, update.loraA, update.loraB, update.r, update.factor)
      for (const [k, { value, left, right }] of largestSingular(sum, rows, columns, r).entries()) {
        loraA.set(right, k * columns)
        for (let row = 0; row < rows; row++) loraB[row * r + k] = value * left[row]!
      }
      return { loraA, loraB }
    },
  },
} satisfies Readonly<Record<string, Combination>>

/** A name of {@link combinations}. */
export type CombinationName = keyof typeof combinations

/** An adapter, and how much of it is taken. */
export interface WeightedAdapter extends Pick<PeftAdapter, 'adapter' | 'config'> {
  /** What errors call it. */
  readonly name: string
  /** Any number; negative ones take the adapter's update away. */
  readonly weight: number
}

/** How {@link combineAdapters} works. */
export interface CombineOptions {
  /** Default `cat`. */
  readonly method?: CombinationName | undefined
  /** Rank of the result, of `svd` only; the largest of the adapters' when absent. */
  readonly rank?: number | undefined
}

/**
 * One adapter whose update is Σ weight · update of the adapters. A module that only some of them adapt takes those.
 * @param model the model that all of them are for
 * @throws ConfigError for adapters with DoRA, or with embeddings or heads of their own, ranks that the method cannot have, or a rank where it does not choose one
 */
export function combineAdapters(
  adapters: readonly WeightedAdapter[],
  model: DecoderConfig,
  { method = 'cat', rank }: CombineOptions = {},
): { readonly adapter: LowRankArrays; readonly config: LoraConfig } {
  if (adapters.length === 0) throw new ConfigError('there is no adapter, expected one or more')
  if (rank !== undefined && method !== 'svd')
    throw new ConfigError(`rank is ${rank} beside ${method}, expected none: only svd chooses its rank`)
  for (const { name, weight, adapter, config } of adapters) {
    if (!Number.isFinite(weight)) throw new ConfigError(`the weight of ${name} is ${weight}, expected a finite number`)
    if (config.loftqConfig)
      throw new ConfigError(
        `${name} was started by LoftQ, and makes up for what its own base in ${config.loftqConfig.bits} bits lacks; merge it into its model`,
      )
    const whole = Object.entries(adapter).find(([, parts]) => !isLowRank(parts))
    if (whole)
      throw new ConfigError(
        `${name} has ${whole[0]} of its own (modules_to_save, trainable_token_indices), which is no update that could be added; merge it into its model`,
      )
    if (Object.values(lowRankOf(adapter)).some(({ magnitude }) => magnitude !== undefined))
      throw new ConfigError(
        `${name} is a DoRA adapter, whose update is no product that could be added; merge it into its model`,
      )
  }
  const ranks = adapters.map(({ adapter, config }) =>
    Math.max(...Object.keys(adapter).map((module) => loraRank(config, module))),
  )
  const combination: Combination = combinations[method]
  const r = combination.rank(ranks, rank)
  const modules = adaptedModules(model, {
    targetModules: [...new Set(adapters.flatMap(({ adapter }) => Object.keys(adapter)))],
  })
  const made = modules.map(({ name: module }) => {
    const updates = adapters.flatMap(({ adapter, config, weight }) => {
      const parts = adapter[module]
      if (parts === undefined || !isLowRank(parts)) return []
      return [{ ...parts, r: loraRank(config, module), factor: weight * loraScaling(config, module) }]
    })
    const own = updates.map((update) => update.r)
    if (method === 'linear' && new Set(own).size > 1)
      throw new ConfigError(
        `${module} has ranks ${own.join(', ')}, expected equal ones for linear; cat and svd take any`,
      )
    return [module, padded(combination.factors(updates, method === 'linear' ? own[0]! : r), updates, r)] as const
  })
  const names = modules.map(({ name }) => name)
  const lasts = [...new Set(names.map((name) => name.split('.').at(-1)!))]
  // Short names where they say the same.
  const targetModules = adaptedModules(model, { targetModules: lasts }).length === names.length ? lasts : names
  return { adapter: Object.fromEntries(made), config: { r, alpha: r, dropout: 0, targetModules, useRslora: false } }
}

/** Factors of a lower rank, filled up with zeros to `r`. */
function padded(factors: Factors, updates: readonly Update[], r: number): Factors {
  const full = zeros(updates, r)
  if (factors.loraA.length === full.loraA.length) return factors
  const own = (factors.loraA.length / full.loraA.length) * r
  full.loraA.set(factors.loraA)
  addColumns(full.loraB, r, { ...factors, r: own, factor: 1 }, 0, 1)
  return full
}

/** What {@link combineAdapterFolders} reads, and where it writes. */
export interface CombineFoldersOptions extends CombineOptions {
  /** Folders of adapters that `readAdapter` reads, each with its weight. */
  readonly inputs: readonly { readonly folder: string; readonly weight: number }[]
  /** Configuration of the model they are for. */
  readonly model: DecoderConfig
  /** Hub id or folder of the base model; what the first adapter names when absent. */
  readonly baseModel?: string | undefined
  /** Folder to make; it must not exist, or be empty. */
  readonly outputDir: string
}

/**
 * Writes several adapters as one in PEFT's layout, asked as the first of them is. `outputDir` appears whole or not at all.
 * @throws as `readAdapter` and {@link combineAdapters}, and ConfigError for a folder that cannot be used
 */
export async function combineAdapterFolders({
  inputs,
  model,
  baseModel,
  outputDir,
  ...options
}: CombineFoldersOptions): Promise<{ readonly config: LoraConfig; readonly modules: readonly string[] }> {
  const [present] = await readdir(outputDir).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    throw new ConfigError(`output directory ${outputDir} cannot be used: ${error.message}`)
  })
  if (present !== undefined)
    throw new ConfigError(`output directory ${outputDir} is not empty (it has ${present}); choose another`)
  const read: PeftAdapter[] = []
  for (const { folder } of inputs) read.push(await readAdapter(folder, model))
  const weighted = read.map((each, i) => ({ ...each, name: inputs[i]!.folder, weight: inputs[i]!.weight }))
  const { adapter, config } = combineAdapters(weighted, model, options)
  const prompt = await readPrompt(inputs[0]!.folder)
  for (const { folder } of inputs.slice(1)) await checkStretch(folder, prompt?.base?.ropeScaling, inputs[0]!.folder)
  const modules = Object.keys(adapter)
  const info = { baseModel: baseModel ?? read[0]!.baseModel ?? '', revision: read[0]!.revision }
  await writeFolderAtomic(
    outputDir,
    (folder) => writePeftFiles(folder, arrayEntries(adapter, config), peftConfig(config, modules, info), { prompt }),
    { onlyEmpty: true },
  )
  return { config, modules }
}
