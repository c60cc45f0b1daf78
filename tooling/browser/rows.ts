// From fetched text to batches and from an adapter to a download and back, as a page does it; no device is needed.
import { collate, parseRows, parseTokenizer, planBatches, type Batch } from '@jora/data'
import { parseConfig } from '@jora/llama'
import { JoraConfig, parsePeftAdapter, samplesFromRows, type PeftAdapter } from '@jora/lora'

/** Reads a file that the page's server, or the test, has. */
export type FetchBytes = (path: string) => Promise<Uint8Array>

export interface Outcome {
  readonly batches: readonly Batch[]
  readonly text: string
  readonly adapter: PeftAdapter
}

export async function prepare(fetchBytes: FetchBytes): Promise<Outcome> {
  const fetchText = async (path: string) => new TextDecoder().decode(await fetchBytes(path))
  const config = new JoraConfig({ modelPath: 'tiny-llama', split: 0.75 })
  const model = parseConfig(JSON.parse(await fetchText('/config.json')))
  const tokenizer = parseTokenizer({ 'tokenizer.json': await fetchText('/tokenizer.json') })
  const rows = parseRows(await fetchText('/rows.jsonl'), 'rows.jsonl')
  const { samples } = samplesFromRows({ rows }, 'train', config, { tokenizer, vocabSize: model.vocabSize })
  const batches = planBatches(samples, { batchSize: 2, epoch: 0, seed: 1, shuffle: true }).map((indices) =>
    collate(samples, indices, { padId: 0 }),
  )
  const adapter = await parsePeftAdapter(
    {
      'adapter_config.json': await fetchText('/adapter_config.json'),
      'adapter_model.safetensors': await fetchBytes('/adapter_model.safetensors'),
    },
    model,
  )
  return { batches, text: tokenizer.decode([...samples[0]!.ids]), adapter }
}
