// Names of an adapter's tensors: as PEFT writes them, and as they are found elsewhere.
import { ConfigError } from '../../settings/config-error'
import type { PartName } from '../methods/method'
import { moduleNames, savedModuleOf, type ReplacedModule } from '../replaced/modules'

const prefix = 'base_model.model.'

/** What follows a module's name in PEFT's name of each of its tensors. */
const suffixes = {
  loraA: 'lora_A.weight',
  loraB: 'lora_B.weight',
  magnitude: 'lora_magnitude_vector',
} as const

/** A tensor that PEFT's files have; what else a method keeps is converted before it is written. */
export type LoraPart = keyof typeof suffixes

/** Whether PEFT's files have that tensor. */
export const isLoraPart = (part: PartName): part is LoraPart => Object.hasOwn(suffixes, part)

/** PEFT's name of a tensor of a module, e.g. `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`. */
export const peftName = (module: string, part: LoraPart): string => `${prefix}${module}.${suffixes[part]}`

/** PEFT's name of a weight that an adapter has of its own, or of rows of it. */
export const replacedName = (module: string, part: ReplacedModule['part']): string =>
  `${prefix}${module}.${part === 'weight' ? 'weight' : 'token_adapter.trainable_tokens_delta'}`

/** The replaced module and part that a tensor of a PEFT adapter may be; undefined for one of low rank. */
export function readReplacedName(name: string): Pick<ReplacedModule, 'name' | 'part'> | undefined {
  const found =
    /(?:^|\.)(embed_tokens|lm_head)\.(?:modules_to_save\.(?:[^.]+\.)?)?(weight|token_adapter\.trainable_tokens_delta)(?:\.[^.]+)?$/.exec(
      name.replaceAll(wrappers, ''),
    )
  const module = found && savedModuleOf(found[1]!)
  return module ? { name: moduleNames[module], part: found[2] === 'weight' ? 'weight' : 'rows' } : undefined
}

/** What wrappers of a torch module leave in the names of its parts. */
const wrappers = /(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g

/** Tensors that are more than a low-rank update, and what they are. */
const others: readonly (readonly [RegExp, string])[] = [
  [
    /\.lora_embedding_[AB]\b|\b(embed_tokens|lm_head)\.lora_/i,
    'of an embedding or head that is adapted by low rank: only the linear layers of the blocks are',
  ],
  [
    /\b(embed_tokens|lm_head)\./i,
    "of a trained embedding or head that the adapter's settings (modules_to_save, trainable_token_indices) do not name",
  ],
  [/\.lora_B(\.[^.]+)?\.bias$|\.bias$/, 'a trained bias, which is not supported'],
  [/\.(hada|lokr|oft|ia3|lora_ia3|prompt|vera)_/i, 'of another kind of adapter: only LoRA is loaded'],
  [/modules_to_save|\.weight$/, 'a whole trained weight: only low-rank updates are loaded'],
]

/**
 * The module and part that a tensor of a PEFT adapter belongs to. Beside PEFT's own names, those with an adapter's name in
 * them (`lora_A.default.weight`, `lora_magnitude_vector.default`), without PEFT's or the model's prefix, and with wrappers' are taken.
 * @param source what errors call the file
 * @throws ConfigError for a tensor that is no low-rank update of a linear layer, saying what it is
 */
function readPeftName(name: string, source: string): { readonly module: string; readonly part: LoraPart } {
  const plain = name.replaceAll(wrappers, '')
  const found =
    /^(?:base_model\.model\.)?(.+)\.lora_(A|B)(?:\.[^.]+)?\.weight$/.exec(plain) ??
    /^(?:base_model\.model\.)?(.+)\.lora_(magnitude_vector)(?:\.[^.]+)?(?:\.weight)?$/.exec(plain)
  const what = others.find(([pattern]) => pattern.test(plain))
  if (!found || /\b(embed_tokens|lm_head)$/.test(found[1]!))
    throw new ConfigError(`${source}: tensor ${name} is ${what?.[1] ?? 'no part of a LoRA adapter'}`)
  const [, module = '', kind = ''] = found
  const kinds: Readonly<Record<string, LoraPart>> = { A: 'loraA', B: 'loraB', magnitude_vector: 'magnitude' }
  return { module: module.replace(/^(?=layers\.\d)/, 'model.'), part: kinds[kind]! }
}

/** The tensors of a file by module and part. @throws ConfigError as {@link readPeftName}, and when one is there twice */
export function peftTensors(names: Iterable<string>, source: string): Map<string, Partial<Record<LoraPart, string>>> {
  const modules = new Map<string, Partial<Record<LoraPart, string>>>()
  for (const name of names) {
    // What VeLoRA keeps for its backward pass.
    if (/\.lora_velora_/.test(name)) continue
    const { module, part } = readPeftName(name, source)
    const tensors = modules.get(module) ?? {}
    if (tensors[part] !== undefined)
      throw new ConfigError(`${source}: ${tensors[part]} and ${name} are the same: one adapter a file is expected`)
    modules.set(module, { ...tensors, [part]: name })
  }
  return modules
}
