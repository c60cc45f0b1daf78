// An export in a process of its own: options come as JSON, time and peak of resident memory go out.
import { exportGguf, mergeAdapter, type GgufOptions, type MergeOptions } from '../src/index'
import { peakMemory } from '@jora/tensor/onnx'

/** What is to be done. */
export type Job = ({ readonly what: 'merge' } & MergeOptions) | ({ readonly what: 'gguf' } & GgufOptions)

export interface Measured {
  readonly seconds: number
  /** Bytes. */
  readonly peakMemory: number
}

const job = JSON.parse(process.argv[2]!) as Job
const begun = performance.now()
await (job.what === 'merge' ? mergeAdapter(job) : exportGguf(job))
const measured: Measured = {
  seconds: (performance.now() - begun) / 1000,
  peakMemory: peakMemory(),
}
process.stdout.write(JSON.stringify(measured))
