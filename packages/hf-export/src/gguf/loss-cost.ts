// measureLoss: what rounding a model into a GGUF file costs, as the mean loss on a text before and after.
import { openModel, tokenLosses, type Decoder } from '@jora/llama'
import { disposeTree, jit, sum, tensor, type Device, type Tensor } from '@jora/tensor'
import { tunedDecoder } from './tuned'

/** What {@link measureLoss} compares. */
export interface LossOptions {
  /** The model that the file was made of: its folder, or its GGUF file. */
  readonly modelDir: string
  /** Folder of the adapter that is merged into `gguf`. */
  readonly adapterDir?: string | undefined
  /** The file that was written. */
  readonly gguf: string
  /** What the loss is of; the first 512 tokens of each are read. */
  readonly texts: readonly string[]
  /** Where JORA's decoder runs. */
  readonly device: Device
}

/** Mean loss a token, in nats. */
export interface LossCost {
  /** Of the model with its adapter beside it, nothing rounded. */
  readonly before: number
  /** Of the file. */
  readonly after: number
  /** Tokens that were predicted. */
  readonly tokens: number
}

const mostTokens = 512

/** The sum of losses of all rows, each by itself. */
async function lossOf(decoder: Decoder, rows: readonly (readonly number[])[], device: Device): Promise<number> {
  const loss = jit((tokens: Tensor, labelRows: Tensor, labels: Tensor) =>
    sum(tokenLosses(decoder, { tokens }, { labelRows, labels })),
  )
  let total = 0
  for (const ids of rows) {
    const tokens = tensor(Int32Array.from(ids), { shape: [1, ids.length], device })
    const labelRows = tensor(
      Int32Array.from({ length: ids.length - 1 }, (_, i) => i),
      { device },
    )
    const labels = tensor(Int32Array.from(ids.slice(1)), { device })
    const result = loss(tokens, labelRows, labels)
    total += await result.item()
    disposeTree([tokens, labelRows, labels, result])
  }
  loss.dispose()
  return total
}

/**
 * The loss of a model and of the GGUF file that was written of it, by JORA's own decoder in float32.
 * @throws as openModel and loadAdapter for files that cannot be used
 */
export async function measureLoss(options: LossOptions): Promise<LossCost> {
  const { modelDir, adapterDir, gguf, texts, device } = options
  await using model = await openModel(modelDir, { local: true })
  const rows = texts.map((text) => model.tokenizer.encode(text).slice(0, mostTokens)).filter((ids) => ids.length > 1)
  const tokens = rows.reduce((n, ids) => n + ids.length - 1, 0)
  const tuned = await tunedDecoder(model, adapterDir, device)
  const before = await lossOf(tuned.decoder, rows, device)
  tuned.dispose()
  await using written = await openModel(gguf, { local: true })
  const decoder = await written.decoder(device, 'f32')
  const after = await lossOf(decoder, rows, device)
  disposeTree(decoder.weights)
  return { before: before / tokens, after: after / tokens, tokens }
}
