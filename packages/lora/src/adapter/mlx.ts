// MLX adapters, as mlx-lm leaves them: adapter_config.json and adapters.safetensors, read for a model.
import type { DecoderConfig } from '@jora/llama'
import { showValue } from '@jora/tensor'
import { checkModulesExist } from './adapter-fit'
import { ConfigError } from '../settings/config-error'
import type { LoraConfig } from '../settings/lora-config'
import { readMatrix, type AdapterWeights, type PeftAdapter } from './peft/peft'
import type { Parts } from './methods/method'
import { isTarget, linearModules, type TargetSettings } from './target-modules'

export const mlxWeightsFile = 'adapters.safetensors'

/** What an MLX adapter's settings tell. */
export interface MlxConfig {
  /** Whether it has magnitudes beside A and B (DoRA). */
  readonly isDora: boolean
  readonly rank: number
  /** The factor on B A x itself. */
  readonly scale: number
  readonly dropout: number
  /** Names of the adapted modules, within a layer or whole; undefined where mlx-lm's own choice was taken. */
  readonly keys: readonly string[] | undefined
  /** How many layers, from the last, are adapted; all when below 1. */
  readonly layers: number
  readonly baseModel: string | undefined
}

/** Whether a parsed adapter_config.json is that of an MLX adapter. */
export const isMlxConfig = (json: unknown): boolean =>
  typeof json === 'object' &&
  json !== null &&
  !('peft_type' in json) &&
  ('lora_parameters' in json || 'fine_tune_type' in json)

/** The settings in an MLX adapter's adapter_config.json. @throws ConfigError for kinds that are not LoRA, by name */
export function parseMlxConfig(json: unknown, source: string): MlxConfig {
  const config = json as Record<string, unknown>
  const refuse = (key: string, value: unknown, expected: string): never => {
    throw new ConfigError(`${source}: "${key}" is ${showValue(value)}; expected ${expected}`)
  }
  const kind = config.fine_tune_type ?? 'lora'
  if (kind === 'full')
    refuse('fine_tune_type', kind, '"lora": whole weights are no adapter; mlx_lm.fuse makes a model of them')
  if (kind !== 'lora' && kind !== 'dora') refuse('fine_tune_type', kind, '"lora" or "dora"')
  const given = config.lora_parameters
  if (typeof given !== 'object' || given === null)
    return refuse('lora_parameters', given, 'an object with rank and scale')
  const parameters = given as Record<string, unknown>
  const of = (key: string) => `lora_parameters.${key}`
  const { rank, scale, alpha, dropout = 0, keys = null } = parameters
  if (typeof rank !== 'number' || !Number.isInteger(rank) || rank < 1) return refuse(of('rank'), rank, 'an integer ≥ 1')
  if (typeof scale !== 'number' || !(scale > 0)) return refuse(of('scale'), scale, 'a number > 0')
  if (typeof dropout !== 'number') return refuse(of('dropout'), dropout, 'a number')
  // Early versions multiplied by scale · alpha / rank, later ones ignore alpha; the file does not say which trained it.
  if (alpha !== undefined && alpha !== null && alpha !== rank)
    return refuse(
      of('alpha'),
      alpha,
      `none beside "scale": early versions of mlx-lm scaled by scale·alpha/rank = ${(scale * Number(alpha)) / rank}, later ones by scale = ${scale}; write the right one as "scale" and remove "alpha"`,
    )
  if (keys !== null && !(Array.isArray(keys) && keys.every((key): key is string => typeof key === 'string')))
    return refuse(of('keys'), keys, 'a list of module names')
  const layers = config.num_layers ?? config.lora_layers ?? -1
  if (typeof layers !== 'number' || !Number.isInteger(layers)) return refuse('num_layers', layers, 'an integer')
  const baseModel = typeof config.model === 'string' ? config.model : undefined
  return { isDora: kind === 'dora', rank, scale, dropout, keys: keys ?? undefined, layers, baseModel }
}

type Part = 'lora_a' | 'lora_b'

/** The tensors of the file by module. @throws ConfigError for one that is no low-rank update of a linear layer */
function mlxModules(names: Iterable<string>, path: string, isDora: boolean): Set<string> {
  const modules = new Set<string>()
  for (const name of names) {
    const [, module, part] = /^(.+)\.([^.]+)$/.exec(name) ?? []
    const fail = (what: string): never => {
      throw new ConfigError(`${path}: tensor ${name} is ${what}`)
    }
    if (module === undefined || part === undefined) return fail('no part of a LoRA adapter')
    if (part === 'm' && !isDora)
      fail('a magnitude of DoRA, and "fine_tune_type" is not "dora" in the adapter\'s settings')
    if (part === 'weight' || part === 'bias') fail('a whole trained weight: only low-rank updates are loaded')
    if (part !== 'lora_a' && part !== 'lora_b' && part !== 'm') fail('no part of a LoRA adapter')
    if (/\b(embed_tokens|lm_head)$/.test(module))
      fail('of an adapted embedding or head: only the linear layers of the blocks are adapted')
    modules.add(module)
  }
  return modules
}

/** The shortest settings that name exactly these modules. */
function settingsFor(model: DecoderConfig, modules: ReadonlySet<string>): TargetSettings {
  const targetModules = [...new Set([...modules].map((name) => name.split('.').at(-1)!))].sort()
  const layers = [...new Set([...modules].map((name) => Number(/layers\.(\d+)\./.exec(name)![1])))].sort(
    (a, b) => a - b,
  )
  const all = linearModules(model)
  const candidates: TargetSettings[] = [
    { targetModules },
    { targetModules, layersToTransform: layers, layersPattern: 'layers' },
  ]
  const exact = (settings: TargetSettings) => all.every(({ name }) => isTarget(name, settings) === modules.has(name))
  return candidates.find(exact) ?? { targetModules: [...modules] }
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]!
  return out
}

/**
 * The adapter for `model` of an MLX config and its tensors, `lora_a [in, r]` and `lora_b [r, out]`, which MLX multiplies from
 * the right: they are transposed, and alpha = scale · rank. Adapted are the modules that the file has tensors of.
 * @throws ConfigError naming the file and what is at fault
 */
export async function mlxAdapter(
  { isDora, rank, scale, dropout, keys, layers, baseModel }: MlxConfig,
  file: AdapterWeights,
  path: string,
  model: DecoderConfig,
): Promise<PeftAdapter> {
  const modules = mlxModules(file.tensors.keys(), path, isDora)
  if (modules.size === 0) throw new ConfigError(`${path} holds no tensors`)
  checkModulesExist(model, { modules, path, baseModel })
  if (layers > model.layers)
    throw new ConfigError(`${path}: the adapter's settings name ${layers} layers, the model has ${model.layers} layers`)
  const first = layers < 1 ? 0 : model.layers - layers
  const isNamed = (name: string) => {
    const [, layer, inLayer = ''] = /^model\.layers\.(\d+)\.(.+)$/.exec(name)!
    return keys?.includes(name) || (Number(layer) >= first && (keys?.includes(inLayer) ?? true))
  }
  const unnamed = [...modules].find((name) => !isNamed(name))
  if (unnamed !== undefined)
    throw new ConfigError(
      `${path} has tensors of ${unnamed}, a module that the adapter's settings (num_layers ${layers}, keys) do not name: settings and tensors are of different adapters, or of a model with other layers`,
    )
  const absent = keys && linearModules(model).find(({ name }) => isNamed(name) && !modules.has(name))
  if (absent) throw new ConfigError(`${path} has no tensors of ${absent.name}, which the adapter's settings name`)
  const adapter: Record<string, Parts<Float32Array>> = {}
  for (const { name, inFeatures, outFeatures } of linearModules(model)) {
    if (!modules.has(name)) continue
    const read = async (part: Part, rows: number, columns: number) =>
      transpose(await readMatrix(file, path, `${name}.${part}`, [rows, columns], baseModel), rows, columns)
    adapter[name] = {
      loraA: await read('lora_a', inFeatures, rank),
      loraB: await read('lora_b', rank, outFeatures),
      ...(isDora && { magnitude: await readMatrix(file, path, `${name}.m`, [outFeatures], baseModel) }),
    }
  }
  const config: LoraConfig = {
    r: rank,
    alpha: scale * rank,
    dropout,
    useRslora: false,
    ...(isDora && { useDora: true }),
    ...settingsFor(model, new Set(Object.keys(adapter))),
  }
  return { adapter, config, baseModel }
}
