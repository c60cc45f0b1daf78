// Timing what runs on a device: compilation apart, enough runs in a row that waiting costs nothing, median and range.
import { disposeTree, type Device, type Tensor } from '@jora/tensor'

export interface Timing {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const summarize = (samples: readonly number[]): Timing => {
  const sorted = samples.toSorted((a, b) => a - b)
  return { median: sorted[sorted.length >> 1]!, min: sorted[0]!, max: sorted.at(-1)! }
}

/** A sample lasts at least this long where the device is fast. */
const sampleMs = 60
/** What is spent on one measurement at most, unless three samples take longer. */
const budgetMs = 2500

/**
 * Milliseconds of one run. The first run compiles and is not counted. `run` returns what it made, which is freed.
 */
export async function timeRuns(device: Device, run: () => Tensor[]): Promise<Timing> {
  const burst = async (count: number): Promise<number> => {
    await device.synchronize()
    const begun = performance.now()
    for (let i = 0; i < count; i++) disposeTree(run())
    await device.synchronize()
    return (performance.now() - begun) / count
  }
  await burst(1)
  const roughMs = await burst(1)
  const count = Math.min(100, Math.max(1, Math.ceil(sampleMs / roughMs)))
  const samples = Math.min(10, Math.max(3, Math.floor(budgetMs / (roughMs * count))))
  const times: number[] = []
  for (let i = 0; i < samples; i++) times.push(await burst(count))
  return summarize(times)
}
