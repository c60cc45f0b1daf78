// exportGgufAdapter: a PEFT LoRA adapter as a GGUF file that llama.cpp lays over the GGUF file of its base model.
import {
  architectureOf,
  describeModel,
  interleavedHeads,
  tensorName,
  type DecoderConfig,
  type RopeStretch,
} from '@jora/llama'
import { ropeStretchOf } from '@jora/lora'
import { ExportError } from '../export-error'
import { readChanges, type Delta } from '../merged-tensors'
import { checkArchitecture } from './architectures'
import { checkDtype, writePlan, type GgufOptions, type GgufResult } from './export'
import { f32, string } from '@jora/tensor/weights'
import { interleaveRows } from './interleave'
import { checkOutputFile } from './output'
import { generalMetadata, modelName, once, type Plan, type PlannedTensor } from './plan'

/** What {@link exportGgufAdapter} reads, and where it writes. */
export interface GgufAdapterOptions extends Omit<GgufOptions, 'adapterDir' | 'dtype'> {
  /** Folder of the PEFT LoRA adapter. */
  readonly adapterDir: string
  /** Element type of A and B; f32 when absent. */
  readonly dtype?: 'f32' | 'f16' | 'bf16' | undefined
}

/**
 * llama.cpp takes one alpha for the file, and scales each module by alpha over its rank, which it reads off B. So alpha is
 * what gives the first module its scale (alpha · √r of rsLoRA); a module it does not give its scale has B multiplied.
 */
function pairTensors(
  module: string,
  { parts: { loraA, loraB }, r, scale }: Delta,
  alpha: number,
  config: DecoderConfig,
  type: 'f32' | 'f16' | 'bf16',
): PlannedTensor[] {
  const weight = `${module}.weight`
  const name = tensorName(weight, config)
  const ordered = interleavedHeads(weight, config) > 0 ? interleaveRows(loraB, config.headDim, r) : loraB
  const factor = foldedFactor({ r, scale }, alpha)
  const b = factor === 1 ? ordered : ordered.map((value) => value * factor)
  return [
    { name: `${name}.lora_a`, type, shape: [r, loraA.length / r], rows: () => once(loraA) },
    { name: `${name}.lora_b`, type, shape: [loraB.length / r, r], rows: () => once(b) },
  ]
}

/** What a module's scale differs by from what `alpha` gives it; 1 within rounding. */
function foldedFactor({ r, scale }: Pick<Delta, 'r' | 'scale'>, alpha: number): number {
  const factor = (scale * r) / alpha
  return Math.abs(factor - 1) < 1e-9 ? 1 : factor
}

/**
 * How llama.cpp stretches the base as the adapter was trained on it: an adapter's file cannot say so.
 * @throws ExportError for a way that it has no flags for
 */
function stretchNote(adapterDir: string, { type, factor }: RopeStretch, maxPositions: number): string {
  const was = `${adapterDir} was trained with positions stretched (${type} ${factor})`
  if (type === 'llama3')
    throw new ExportError(
      `${was}, which llama.cpp takes from the model alone; export the merged model (jora export --format gguf)`,
    )
  const original = type === 'yarn' ? ` --yarn-orig-ctx ${maxPositions}` : ''
  return `${was}, which its file cannot say: run llama.cpp with --rope-scaling ${type} --rope-scale ${factor}${original}`
}

/** @throws ConfigError | ModelError for an adapter that is none of this model, or a model llama.cpp cannot compute */
export async function planAdapter(
  modelDir: string,
  adapterDir: string,
  dtype: NonNullable<GgufAdapterOptions['dtype']>,
): Promise<Plan & { readonly modules: number }> {
  const { config } = await describeModel(modelDir, { local: true })
  const notes = checkArchitecture(config)
  const changes = await readChanges(adapterDir, config)
  const [replaced] = changes.replaced.keys()
  if (replaced !== undefined)
    throw new ExportError(
      `${adapterDir} has ${replaced} of its own (modules_to_save, trainable_token_indices), which an adapter of llama.cpp cannot hold; merge it (jora merge), or export the merged model (jora export --format gguf)`,
    )
  if (changes.base)
    throw new ExportError(
      `${adapterDir} was started by LoftQ, and makes up for what its own base lacks, which no GGUF file of the model does; merge it (jora merge), or export the merged model (jora export --format gguf)`,
    )
  const stretch = await ropeStretchOf(adapterDir)
  if (stretch) notes.push(stretchNote(adapterDir, stretch, config.maxPositions))
  const deltas = [...changes.deltas]
  if (deltas.some(([, { parts }]) => parts.magnitude !== undefined))
    throw new ExportError(
      `${adapterDir} is a DoRA adapter, which llama.cpp cannot add to a model; merge it (jora merge), or export the merged model (jora export --format gguf)`,
    )
  const [, first] = deltas[0]!
  const alpha = Math.fround(first.scale * first.r)
  const folded = deltas.filter(([, delta]) => foldedFactor(delta, alpha) !== 1)
  if (folded.length > 0)
    notes.push(
      `the scale of ${folded.length} modules is in their B: alpha over rank is the same for all of a GGUF adapter's modules of one rank`,
    )
  const metadata = new Map([
    ...generalMetadata(
      'adapter',
      architectureOf(config).arch,
      `${modelName(adapterDir)} for ${modelName(modelDir)}`,
      dtype,
    ),
    ['adapter.type', string('lora')],
    ['adapter.lora.alpha', f32(alpha)],
  ])
  const tensors = deltas.flatMap(([module, delta]) => pairTensors(module, delta, alpha, config, dtype))
  return { metadata, tensors, notes, modules: deltas.length }
}

/**
 * Writes the adapter in `adapterDir`, of the model in `modelDir`, as a GGUF file: `blk.N.attn_q.weight.lora_a` `[r, in]`,
 * `.lora_b` `[out, r]` and so on. llama.cpp adds it to any GGUF file of that model (`--lora`), quantised ones too.
 * @throws ConfigError | ModelError | SafetensorsError for a model, adapter or output that cannot be used; RangeError naming
 *   the tensor for a value that does not fit `dtype`
 */
export async function exportGgufAdapter(options: GgufAdapterOptions): Promise<GgufResult> {
  const { modelDir, adapterDir, dtype = 'f32' } = options
  checkDtype(dtype, ['f32', 'f16', 'bf16'])
  await checkOutputFile(options.output, options.overwrite ?? false)
  const { modules, ...plan } = await planAdapter(modelDir, adapterDir, dtype)
  return { ...(await writePlan(options, plan)), mergedModules: modules }
}
