// What a Modelfile says of a model, so that Ollama asks it as it was trained.
import { goTemplate, stopIdsOf } from '@jora/data'
import type { Modelfile } from '@jora/hf-export'
import type { ModelDescription } from '@jora/llama'
import { promptFor, ropeStretchOf } from '@jora/lora'

/** Ollama cuts longer prompts without a word, at 4,096 tokens by default; more than this costs much memory. */
const longestContext = 16_384

/** @throws ConfigError | Error for a prompt that is wrong, or that a Go template cannot write */
export async function modelfileOf(
  { tokenizer, config }: Pick<ModelDescription, 'tokenizer' | 'config'>,
  modelDir: string,
  adapterDir: string | undefined,
): Promise<{ readonly modelfile: Modelfile; readonly notes: readonly string[] }> {
  const { template, note } = await promptFor({ adapter: adapterDir, model: modelDir, tokenizer })
  const { factor = 1 } = (adapterDir === undefined ? undefined : await ropeStretchOf(adapterDir)) ?? {}
  const { text, notes } = goTemplate(template, tokenizer)
  const ids = stopIdsOf(template, tokenizer, config.eosTokenIds)
  const marks = ids.map((id) => tokenizer.idToToken(id)).filter((mark) => mark !== undefined)
  const modelfile = {
    template: text,
    stops: [...new Set([...marks, ...template.stops])],
    contextLength: Math.min(Math.round(config.maxPositions * factor), longestContext),
  }
  return { modelfile, notes: [...(note === undefined ? [] : [note]), ...notes] }
}
