// Which weights an adapter has of its own beside low-rank updates, by PEFT's rules: embedding and head, whole (modules_to_save) or
// the rows of some tokens (trainable_token_indices). Where there is no adapter, those that are trained themselves (`whole`).
import type { DecoderConfig } from '@jora/llama'
import { ConfigError } from '../../settings/config-error'
import type { LoraConfig } from '../../settings/lora-config'
import type { SavedModule } from '../../settings/table/adapter'
import { moduleNames } from './names'
import { wholeModules } from '../whole/weights'

export { moduleNames } from './names'

/** The setting's name of a module, of PEFT's: its whole name or the end of it; undefined for others. */
export const savedModuleOf = (name: string): SavedModule | undefined =>
  (Object.keys(moduleNames) as SavedModule[]).find((key) => key === name.split('.').at(-1))

/** Whether a module of that whole name may be replaced. */
export const isReplaceable = (name: string): boolean => (Object.values(moduleNames) as string[]).includes(name)

/** A module of which an adapter has its own weight, or rows of it. */
export interface ReplacedModule {
  readonly name: string
  /** `weight`: all of it; `rows`: those of `ids`. */
  readonly part: 'weight' | 'rows'
  /** `[rows, hiddenSize]` of embedding and head; of other modules that of their weight. */
  readonly shape: readonly number[]
  /** The model's weight that it begins as. */
  readonly base: string
  /** Tokens of the rows, in their order; absent for all of them. */
  readonly ids?: readonly number[]
}

/** The settings that say what is replaced. */
export type ReplacedSettings = Pick<
  LoraConfig,
  'modulesToSave' | 'ensureWeightTying' | 'trainableTokenIndices' | 'whole'
>

/** Whether settings name anything that is replaced. */
export const replaces = ({ modulesToSave = [], trainableTokenIndices, whole }: ReplacedSettings): boolean =>
  whole !== undefined || modulesToSave.length > 0 || trainableTokenIndices !== undefined

type TokensByModule = Readonly<Partial<Record<SavedModule, readonly number[]>>>

/** A list is of the embedding. */
const byModule = (indices: ReplacedSettings['trainableTokenIndices']): TokensByModule =>
  indices === undefined ? {} : Array.isArray(indices) ? { embed_tokens: indices } : (indices as TokensByModule)

/**
 * Whether a head that is tied to the embedding goes on being so, and takes what the adapter has of it. As in PEFT a copy of the
 * embedding alone is trained unless `ensureWeightTying` asks for more; rows of tokens stay tied.
 */
export function headFollows({ tiedHead }: Pick<DecoderConfig, 'tiedHead'>, settings: ReplacedSettings): boolean {
  if (!tiedHead) return false
  if (settings.whole) return true
  const { embed_tokens: embedding, lm_head: head } = byModule(settings.trainableTokenIndices)
  if (embedding) return head === undefined || head.join() === embedding.join()
  return settings.ensureWeightTying === true && (settings.modulesToSave ?? []).length > 0
}

/** @throws ConfigError for ids that are not tokens of the model, or there twice */
function checkIds(ids: readonly number[], { vocabSize }: DecoderConfig): void {
  const stray = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize)
  const twice = ids.find((id, i) => ids.indexOf(id) !== i)
  const problem =
    ids.length === 0
      ? 'is empty, expected ids of tokens'
      : stray !== undefined
        ? `has ${stray}, expected ids of tokens, 0 to ${vocabSize - 1}`
        : twice !== undefined && `has ${twice} twice, expected each token once`
  if (problem) throw new ConfigError(`trainableTokenIndices ${problem}`, 'trainableTokenIndices')
}

/**
 * The modules that the settings replace, the embedding first.
 * @throws ConfigError for settings that do not fit the model, or each other
 */
export function replacedModules(model: DecoderConfig, settings: ReplacedSettings): ReplacedModule[] {
  if (settings.whole) return wholeModules(model, settings.whole, settings)
  const { modulesToSave = [], ensureWeightTying = false, trainableTokenIndices } = settings
  const { vocabSize, hiddenSize, tiedHead } = model
  if (ensureWeightTying && !tiedHead)
    throw new ConfigError(
      `ensureWeightTying is true, expected a model whose head is tied to its embedding; this ${model.modelType} has a head of its own`,
      'ensureWeightTying',
    )
  const tokens = byModule(trainableTokenIndices)
  const both = (Object.keys(tokens) as SavedModule[]).find((name) => tiedHead || modulesToSave.includes(name))
  if (both !== undefined && modulesToSave.length > 0)
    throw new ConfigError(
      `trainableTokenIndices trains rows of ${both} beside modulesToSave ${modulesToSave.join(',')}, expected one of them: a module is trained whole, or by rows`,
      'trainableTokenIndices',
    )
  const follows = headFollows(model, settings)
  const whole = follows && modulesToSave.length > 0 ? ['embed_tokens'] : modulesToSave
  const of = (module: SavedModule): ReplacedModule[] => {
    const name = moduleNames[module]
    const base = `${module === 'lm_head' && tiedHead ? moduleNames.embed_tokens : name}.weight`
    if (whole.includes(module)) return [{ name, part: 'weight', shape: [vocabSize, hiddenSize], base }]
    const ids = module === 'lm_head' && follows ? undefined : tokens[module]
    if (!ids) return []
    checkIds(ids, model)
    return [{ name, part: 'rows', shape: [ids.length, hiddenSize], base, ids }]
  }
  return [...of('embed_tokens'), ...of('lm_head')]
}
