// Which of a model's own weights are trained in place of an adapter: all of them, or those of chosen layers.
import { weightShapes, type DecoderConfig } from '@jora/llama'
import { ConfigError } from '../../settings/config-error'
import { pythonRegex } from '../peft/python-regex'
import type { SavedModule } from '../../settings/table/adapter'
import { moduleNames } from '../replaced/names'

/** The model's own weights that are trained; everything where neither layers nor modules are named. */
export interface WholeWeights {
  /** Numbers of layers, from 0; or so many of the last ones, of the first ones where negative. Absent: every weight of the model. */
  readonly layers?: readonly number[] | number | undefined
  /** What of these layers: parts of the names of modules, or a regular expression for what follows a layer's number. Absent: all. */
  readonly modules?: readonly string[] | string | undefined
}

/** A weight that is trained whole, as `ReplacedModule` of an adapter. */
export interface WholeModule {
  readonly name: string
  readonly part: 'weight'
  readonly shape: readonly number[]
  /** The tensor's name in the model. */
  readonly base: string
}

/** The model's tensor of a module that is trained whole; biases are modules of their own, named with `.bias`. */
export const tensorName = (module: string): string => (module.endsWith('.bias') ? module : `${module}.weight`)
const moduleName = (tensor: string): string => tensor.replace(/\.weight$/, '')

/** @throws ConfigError for a number of a layer that the model has not */
function isTrainedLayer({ layers }: WholeWeights, { layers: count }: DecoderConfig): (layer: number) => boolean {
  if (typeof layers === 'number')
    return layers > 0 ? (layer) => layer >= count - layers : (layer) => layer < Math.abs(layers)
  const stray = layers?.find((layer) => layer >= count)
  if (stray !== undefined)
    throw new ConfigError(
      `layersToTransform has ${stray}, expected numbers of the model's layers, 0 to ${count - 1}`,
      'layersToTransform',
    )
  return (layer) => layers!.includes(layer)
}

/** Whether the rest of a weight's name, after its layer's number, is of a module that is asked for. */
function isTrainedModule({ modules }: WholeWeights): (rest: string) => boolean {
  if (modules === undefined) return () => true
  if (typeof modules === 'string') {
    const pattern = pythonRegex(modules, 'trainableModules')
    return (rest) => pattern.test(rest.replace(/\.(weight|bias)$/, ''))
  }
  return (rest) => modules.some((name) => rest.split('.').includes(name) || rest.startsWith(`${name}.`))
}

/**
 * The weights that are trained whole, in checkpoint order. A tied head is its embedding.
 * @throws ConfigError for layers or modules that the model has not
 */
export function wholeModules(
  model: DecoderConfig,
  whole: WholeWeights,
  { modulesToSave = [] }: { readonly modulesToSave?: readonly SavedModule[] | undefined },
): WholeModule[] {
  const shapes = [...weightShapes(model)]
  const extra = new Set(modulesToSave.map((name) => (name === 'lm_head' && model.tiedHead ? 'embed_tokens' : name)))
  const isLayer = whole.layers === undefined ? () => true : isTrainedLayer(whole, model)
  const isModule = isTrainedModule(whole)
  const trained = shapes.filter(([name]) => {
    if (whole.layers === undefined) return true
    const [, layer, rest] = /^model\.layers\.(\d+)\.(.+)$/.exec(name) ?? []
    if (rest === undefined) return [...extra].some((module) => moduleName(name) === moduleNames[module])
    return isLayer(Number(layer)) && isModule(rest)
  })
  const named = typeof whole.modules === 'string' ? [] : (whole.modules ?? [])
  const layered = trained.flatMap(([name]) => (name.startsWith('model.layers.') ? [name] : []))
  const isThere = (module: string) => layered.some((name) => `${name}.`.includes(`.${module}.`))
  if (layered.length === 0 || !named.every(isThere))
    throw new ConfigError(
      `trainableModules ${JSON.stringify(named.find((module) => !isThere(module)) ?? whole.modules ?? 'all')} is in none of the trained layers; a layer has ${layerModules(shapes).join(', ')}`,
      'trainableModules',
    )
  return trained.map(([name, shape]) => ({ name: moduleName(name), part: 'weight', shape, base: name }))
}

/** What the first layer's modules are called. */
const layerModules = (shapes: readonly (readonly [string, unknown])[]): string[] =>
  shapes.flatMap(([name]) => (/^model\.layers\.0\..*\.weight$/.test(name) ? [name.slice(15, -7)] : []))
