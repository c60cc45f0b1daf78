// What quantising a model costs: its loss on a little plain text before and after, as `export --check` tells it.
import { measureLoss, type LossCost } from '@jora/hf-export'
import { openCpuDevice } from '@jora/tensor/onnx'
import { stat } from 'node:fs/promises'
import { freemem } from 'node:os'
import { bytes } from './ui/format'

/** Prose, a list and code. */
const passages = [
  'The river rises in the mountains in the north and flows through three countries before it reaches the sea. In spring, when the snow melts, the water covers the meadows on both sides, and the villages along the banks are reached by boat. Farmers have learned to live with the flood: it brings the mud that makes the fields fertile.',
  'A list of steps: first, read the question to the end. Second, find the passage that speaks of it. Third, answer in one sentence, in your own words, and name the passage. If no passage helps, say that you do not know.',
  'def mean(values):\n    """The arithmetic mean of a list of numbers."""\n    if not values:\n        raise ValueError("mean of nothing")\n    return sum(values) / len(values)\n',
]

/**
 * @param output the GGUF file that was written
 * @returns the loss before and after, where the memory that both decoders need is free, and a line that says so
 */
export async function lossCost(
  output: string,
  { modelDir, adapterDir }: { readonly modelDir: string; readonly adapterDir: string | undefined },
): Promise<{ readonly said: string; readonly loss?: LossCost }> {
  // As float32, from about four bits a weight.
  const needed = 8 * (await stat(output)).size
  if (needed > freemem())
    return { said: `the loss is not measured: it takes ${bytes(needed)} of memory, ${bytes(freemem())} are free` }
  const device = await openCpuDevice()
  try {
    const loss = await measureLoss({ modelDir, adapterDir, gguf: output, texts: passages, device })
    const change = loss.after - loss.before
    const said = `loss ${loss.before.toFixed(4)} → ${loss.after.toFixed(4)} nats a token (${change < 0 ? '−' : '+'}${Math.abs(change).toFixed(4)}) on ${loss.tokens} tokens of plain text`
    return { loss, said }
  } finally {
    await device.close()
  }
}
