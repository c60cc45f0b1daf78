// What the tests of export share.
import { afterAll, beforeAll } from 'vitest'
import { parseConfig } from '@jora/llama'
import { type LoraConfig } from '@jora/lora'
import { tinyFamilies, writeFamily } from '../../../../packages/hf-export/test/gguf-models'
import { writeTinyAdapter } from '../../../../packages/lora/test/tiny-adapter'
import { jora, workspace } from '../harness'

export let space: ReturnType<typeof workspace>
export const path = (...parts: string[]): string => space.path(...parts)

/** What the tests of a file need, made before them and removed after; each file calls it, as hooks belong to a file. */
export function setUp(): void {
  space = workspace()
  afterAll(() => space.remove())
  beforeAll(async () => {
    await writeFamily(path('base'), llama)
    await writeTinyAdapter(path('lora'), parseConfig(llama.config), lora, { baseModel: 'org/base' })
  })
}

export const told = (text: string) => text.replaceAll(space.dir, 'DIR')

export const { config } = tinyFamilies.llama!
const { tokenizer } = tinyFamilies.llama!
const decoders = [
  { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
  { type: 'ByteFallback' },
  { type: 'Fuse' },
]
export const llama = { config, tokenizer: { ...tokenizer, decoder: { type: 'Sequence', decoders } } }
export const lora: LoraConfig = { r: 3, alpha: 6, dropout: 0, targetModules: ['q_proj', 'v_proj'], useRslora: false }
export const formats = ['hf', 'peft', 'gguf', 'gguf-lora'] as const
export type Format = (typeof formats)[number] | 'ollama'

export interface Call {
  readonly model?: string
  /** `null`: none. */
  readonly adapter?: string | null
  readonly output: string
}
export const exportIt = (format: Format, { model = 'base', adapter = 'lora', output }: Call, ...more: string[]) => {
  const adapterFlags = adapter === null ? [] : ['--adapter', path(adapter)]
  return jora([
    'export',
    '--format',
    format,
    '--model',
    path(model),
    ...adapterFlags,
    '--output',
    path(output),
    ...more,
  ])
}
