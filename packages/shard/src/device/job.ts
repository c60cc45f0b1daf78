// What the processes of a job tell one another besides parts of tensors.
import type { Transport } from './transport'

/** The numbers that each process passes, by rank. All of them must call it with as many. */
export async function gatherNumbers(transport: Transport, numbers: readonly number[]): Promise<number[][]> {
  const own = Float64Array.from(numbers)
  const all = Array.from({ length: transport.size }, () => new Float64Array(numbers.length))
  all[transport.rank] = own
  const others = all.flatMap((_, rank) => (rank === transport.rank ? [] : [rank]))
  const message = (rank: number, data: Float64Array) => ({ rank, tag: 0, bytes: new Uint8Array(data.buffer) })
  await transport.exchange(
    others.map((rank) => message(rank, own)),
    others.map((rank) => message(rank, all[rank]!)),
    'numbers of each process',
  )
  return all.map((data) => [...data])
}

/** The `bytes` of process 0, in every process; the others pass nothing. */
export async function fromFirst(transport: Transport, bytes: Uint8Array | undefined): Promise<Uint8Array> {
  const [[length]] = (await gatherNumbers(transport, [bytes?.length ?? 0])) as [[number]]
  const what = 'what the first process has read'
  if (transport.rank !== 0) {
    const received = new Uint8Array(length)
    await transport.exchange([], [{ rank: 0, tag: 0, bytes: received }], what)
    return received
  }
  const others = Array.from({ length: transport.size - 1 }, (_, i) => ({ rank: i + 1, tag: 0, bytes: bytes! }))
  await transport.exchange(others, [], what)
  return bytes!
}
