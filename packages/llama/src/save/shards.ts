// How a checkpoint is cut into safetensors files, as transformers does it.

/** One file of a checkpoint. */
export interface Shard<T> {
  /** e.g. `model-00001-of-00003.safetensors`; `model.safetensors` when it is the only one. */
  readonly file: string
  readonly tensors: readonly T[]
}

/** Cuts `tensors`, in order, so that no file holds more than `maxBytes` of them; a larger tensor has a file of its own. */
export function planShards<T extends { readonly bytes: number }>(tensors: readonly T[], maxBytes: number): Shard<T>[] {
  const groups: T[][] = [[]]
  let bytes = 0
  for (const tensor of tensors) {
    if (bytes > 0 && bytes + tensor.bytes > maxBytes) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(tensor)
    bytes += tensor.bytes
  }
  const digits = (n: number) => String(n).padStart(5, '0')
  const name = (i: number) =>
    groups.length === 1 ? 'model.safetensors' : `model-${digits(i + 1)}-of-${digits(groups.length)}.safetensors`
  return groups.map((group, i) => ({ file: name(i), tensors: group }))
}

/** The file that says which tensor is where. */
export const indexFile = 'model.safetensors.index.json'

/** The text of {@link indexFile}. */
export function shardIndex(shards: readonly Shard<{ readonly name: string; readonly bytes: number }>[]): string {
  const files = shards.flatMap(({ file, tensors }) => tensors.map(({ name }) => [name, file] as const))
  const totalSize = shards.reduce((sum, { tensors }) => sum + tensors.reduce((n, { bytes }) => n + bytes, 0), 0)
  const weightMap = Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1)))
  return `${JSON.stringify({ metadata: { total_size: totalSize }, weight_map: weightMap }, null, 2)}\n`
}
