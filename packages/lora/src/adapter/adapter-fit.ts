// Whether an adapter's tensors, its settings and a model fit together, and what to say when they do not.
import type { DecoderConfig } from '@jora/llama'
import { ConfigError } from '../settings/config-error'
import { isTarget, linearModules, type AdaptedModule, type TargetSettings } from './target-modules'

/** The number of a module's layer; undefined for what is in none. */
export const layerOf = (module: string): number | undefined => {
  const [, number] = /(?:^|\.)layers\.(\d+)\./.exec(module) ?? []
  return number === undefined ? undefined : Number(number)
}

/** `0…31` of the modules' layers. */
function layerRange(modules: Iterable<string>): { readonly last: number; readonly text: string } | undefined {
  const layers = [...modules].map(layerOf).filter((layer) => layer !== undefined)
  if (layers.length === 0) return undefined
  const [first, last] = [Math.min(...layers), Math.max(...layers)]
  return { last, text: first === last ? `layer ${first}` : `layers ${first}…${last}` }
}

/** Appended to what says that an adapter is another model's. */
export const madeFor = (baseModel: string | undefined): string =>
  `the adapter was made for another model${baseModel === undefined || baseModel === '' ? '' : ` (its settings name ${JSON.stringify(baseModel)})`}`

interface FoundAdapter {
  /** Modules that the file has tensors of. */
  readonly modules: ReadonlySet<string>
  /** What errors call the file. */
  readonly path: string
  readonly baseModel: string | undefined
}

/** @throws ConfigError when the adapter has modules that the model has not */
export function checkModulesExist(model: DecoderConfig, { modules, path, baseModel }: FoundAdapter): void {
  const linears = new Set(linearModules(model).map(({ name }) => name))
  const stray = [...modules].find((name) => !linears.has(name))
  if (stray === undefined) return
  const inLayer = stray.replace(/^.*?layers\.\d+\./, '')
  const layers = layerRange(modules)
  const reason =
    linears.has(`model.layers.0.${inLayer}`) && layers && layers.last >= model.layers
      ? `the adapter has ${layers.text}, the model has ${model.layers} layers`
      : `the adapter has ${stray}, a ${model.modelType} model has no such linear layer`
  throw new ConfigError(`${path}: ${reason}: ${madeFor(baseModel)}`)
}

/**
 * The modules of a PEFT adapter in checkpoint order: those that its settings name and those that its file has tensors of,
 * which must be the same. Targets that the model has no module for are passed over, as PEFT does.
 * @throws ConfigError saying where settings, tensors and model part
 */
export function fittingModules(model: DecoderConfig, settings: TargetSettings, found: FoundAdapter): AdaptedModule[] {
  const { modules, path, baseModel } = found
  checkModulesExist(model, found)
  const unnamed = [...modules].find((name) => !isTarget(name, settings))
  if (unnamed !== undefined)
    throw new ConfigError(
      `${path} has tensors of ${unnamed}, a module that the adapter's settings (target_modules, exclude_modules, layers_to_transform) do not name: settings and tensors are of different adapters`,
    )
  const wanted = linearModules(model).filter(({ name }) => isTarget(name, settings))
  const [missing, ...more] = wanted.filter(({ name }) => !modules.has(name))
  const layers = layerRange(modules)
  if (missing === undefined && wanted.length > 0) return wanted
  if (missing === undefined)
    throw new ConfigError(`${path}: the adapter's settings name no linear layer of this model: ${madeFor(baseModel)}`)
  throw new ConfigError(
    layers && layers.last + 1 < model.layers && layerOf(missing.name)! > layers.last
      ? `${path}: the adapter has ${layers.text}, the model has ${model.layers} layers: ${madeFor(baseModel)}`
      : `${path} has no tensors of ${missing.name}${more.length > 0 ? ` and ${more.length} more` : ''}, which the adapter's settings name: settings and tensors are of different adapters, or the model is another`,
  )
}
