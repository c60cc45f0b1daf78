// Names of an adapter's tensors: as PEFT writes them, and as they are found elsewhere.
import { ConfigError } from '../../settings/config-error'

const prefix = 'base_model.model.'

export type LoraPart = 'loraA' | 'loraB'

/** PEFT's name of a module's A or B, e.g. `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`. */
export const peftName = (module: string, part: LoraPart): string =>
  `${prefix}${module}.lora_${part === 'loraA' ? 'A' : 'B'}.weight`

/** What wrappers of a torch module leave in the names of its parts. */
const wrappers = /(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g

/** Tensors that are more than a low-rank update, and what they are. */
const others: readonly (readonly [RegExp, string])[] = [
  [/\.lora_magnitude_vector\b|\.m$/, "a DoRA adapter's magnitudes, and DoRA is not supported"],
  [
    /\.lora_embedding_[AB]\b|\b(embed_tokens|lm_head)\./i,
    'of an adapted or trained embedding or head: only the linear layers of the blocks are adapted',
  ],
  [/\.lora_B(\.[^.]+)?\.bias$|\.bias$/, 'a trained bias, which is not supported'],
  [/\.(hada|lokr|oft|ia3|lora_ia3|prompt|vera)_/i, 'of another kind of adapter: only LoRA is loaded'],
  [/modules_to_save|\.weight$/, 'a whole trained weight: only low-rank updates are loaded'],
]

/**
 * The module and part that a tensor of a PEFT adapter belongs to. Beside PEFT's own names, those with an adapter's name in
 * them (`lora_A.default.weight`), without PEFT's or the model's prefix, and with wrappers' are taken.
 * @param source what errors call the file
 * @throws ConfigError for a tensor that is no low-rank update of a linear layer, saying what it is
 */
function readPeftName(name: string, source: string): { readonly module: string; readonly part: LoraPart } {
  const plain = name.replaceAll(wrappers, '')
  const found = /^(?:base_model\.model\.)?(.+)\.lora_(A|B)(?:\.[^.]+)?\.weight$/.exec(plain)
  const what = others.find(([pattern]) => pattern.test(plain))
  if (!found || /\b(embed_tokens|lm_head)$/.test(found[1]!))
    throw new ConfigError(`${source}: tensor ${name} is ${what?.[1] ?? 'no part of a LoRA adapter'}`)
  const [, module = '', letter] = found
  return { module: module.replace(/^(?=layers\.\d)/, 'model.'), part: letter === 'A' ? 'loraA' : 'loraB' }
}

/** The tensors of a file by module and part. @throws ConfigError as {@link readPeftName}, and when one stands there twice */
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
