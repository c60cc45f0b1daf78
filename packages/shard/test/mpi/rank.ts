// The program that the tests run on every rank: one scenario, named by its first argument.
import { guardProcess, openMpi, type Message, type MpiTransport } from '../../src/mpi'

const MB = 2 ** 20
/** Last argument: seconds of the time-out. */
const timeoutSeconds = Number(process.argv[3] ?? 30)
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Memory as devices share it: a view that does not start where its buffer does. */
const shared = (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes + 3), 3, bytes)

/** Bytes that say who sent them to whom. */
function fill(bytes: Uint8Array, from: number, to: number): Uint8Array {
  for (let i = 0; i < bytes.byteLength; i++) bytes[i] = (i * 7 + from * 31 + to * 5 + 1) & 255
  return bytes
}

async function allToAll({ rank, size, exchange }: Ranks, bytes: number): Promise<void> {
  const ranks = Array.from({ length: size }, (_, other) => other)
  const outgoing = ranks.map((to) => ({ rank: to, tag: 3, bytes: fill(shared(bytes), rank, to) }))
  const incoming = ranks.map((from) => ({ rank: from, tag: 3, bytes: shared(bytes) }))
  await exchange(outgoing, incoming, `${bytes} bytes to all`)
  for (const { rank: from, bytes: got } of incoming) compare(got, fill(new Uint8Array(bytes), from, rank))
}

async function ring({ rank, size, exchange }: Ranks, bytes: number): Promise<void> {
  const next = (rank + 1) % size
  const last = (rank + size - 1) % size
  const incoming = { rank: last, tag: 0, bytes: shared(bytes) }
  await exchange([{ rank: next, tag: 0, bytes: fill(shared(bytes), rank, next) }], [incoming], `${bytes} bytes around`)
  compare(incoming.bytes, fill(new Uint8Array(bytes), last, rank))
}

function compare(got: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(got, expected) !== 0) throw new Error(`${got.byteLength} bytes arrived, but not those sent`)
}

type Ranks = Pick<MpiTransport, 'rank' | 'size'> & { exchange: MpiTransport['exchange'] }

/** Rank 0 and the last rank, one byte each way. */
function greet(transport: MpiTransport, what: string): Promise<void> {
  const peer = transport.rank === 0 ? transport.size - 1 : 0
  const one = (): Message => ({ rank: peer, tag: 1, bytes: new Uint8Array(1) })
  return transport.exchange([one()], [one()], what)
}

const scenarios: Record<string, (transport: MpiTransport) => Promise<unknown>> = {
  async exchange(transport) {
    const ranks = { rank: transport.rank, size: transport.size, exchange: transport.exchange.bind(transport) }
    for (const bytes of [0, 1, 63, 4096, 65_537, 3 * MB]) await allToAll(ranks, bytes)
    for (const bytes of [0, 1, 40 * MB]) await ring(ranks, bytes)
    // Several messages of one pair: told apart by tag, and within a tag by order.
    const peer = transport.size - 1 - transport.rank
    const many = (from: number, to: number): Message[] =>
      [5, 6, 5].map((tag, i) => ({ rank: peer, tag, bytes: fill(new Uint8Array(1000 + i), from + i, to) }))
    const incoming = [5, 6, 5].map((tag, i) => ({ rank: peer, tag, bytes: new Uint8Array(1000 + i) }))
    await transport.exchange(many(transport.rank, peer), incoming, 'three messages')
    many(peer, transport.rank).forEach(({ bytes }, i) => compare(incoming[i]!.bytes, bytes))
    await transport.exchange([], [], 'nothing')
  },

  /** The last rank is late; rank 0 says what its wait cost. */
  async wait(transport) {
    await greet(transport, 'a first greeting')
    if (transport.rank !== 0) await sleep(1000)
    let turns = 0
    const timer = setInterval(() => turns++, 10)
    const before = process.cpuUsage()
    await greet(transport, 'a late greeting')
    clearInterval(timer)
    const { user, system } = process.cpuUsage(before)
    if (transport.rank === 0) console.log(`cpu ${((user + system) / 1e6).toFixed(2)} s, ${turns} turns`)
  },

  async silent(transport) {
    await greet(transport, 'a first greeting')
    console.log('greeted')
    // Only now: on a busy machine processes may take longer to start than anyone wants to wait for this.
    Object.assign(transport, { timeoutSeconds: 5 })
    if (transport.rank === transport.size - 1) await sleep(60_000)
    await greet(transport, 'gradients of step 12')
  },

  async killed(transport) {
    if (transport.rank === transport.size - 1) process.kill(process.pid, 'SIGKILL')
    await greet(transport, 'gradients of step 12')
  },

  async terminated(transport) {
    if (transport.rank === transport.size - 1) process.kill(process.pid, 'SIGTERM')
    await sleep(60_000)
  },

  async thrown(transport) {
    if (transport.rank === transport.size - 1) throw new RangeError('a loss of NaN')
    await greet(transport, 'gradients of step 12')
  },

  async exits(transport) {
    if (transport.rank === transport.size - 1) process.exit(0)
    await greet(transport, 'gradients of step 12')
  },

  async shorter(transport) {
    await transfer(transport, 12, 16)
  },

  async longer(transport) {
    await transfer(transport, 16, 12)
  },

  async nobody(transport) {
    await transport.exchange([], [{ rank: 9, tag: 0, bytes: new Uint8Array(1) }], 'a wrong rank')
  },

  /** Nothing but the job itself. */
  async idle() {},

  async bandwidth(transport) {
    for (const bytes of [64 * 1024, 4 * MB, 32 * MB]) {
      const out = { rank: 1 - transport.rank, tag: 0, bytes: shared(bytes) }
      const into = { rank: 1 - transport.rank, tag: 0, bytes: shared(bytes) }
      const rounds = bytes > MB ? 30 : 2000
      await transport.exchange([out], [into], 'warming up')
      let began = performance.now()
      for (let i = 0; i < rounds; i++) await transport.exchange([out], [into], 'measuring')
      const exchange = (performance.now() - began) / rounds
      began = performance.now()
      for (let i = 0; i < rounds; i++) into.bytes.set(out.bytes)
      const copy = (performance.now() - began) / rounds
      if (transport.rank === 0)
        console.log(`${bytes / 1024} KB: exchange ${exchange.toFixed(3)} ms, memcpy ${copy.toFixed(3)} ms`)
    }
  },
}

async function transfer(transport: MpiTransport, sent: number, expected: number): Promise<void> {
  const out = { rank: 1, tag: 4, bytes: new Uint8Array(sent) }
  const into = { rank: 0, tag: 4, bytes: new Uint8Array(expected) }
  await transport.exchange(transport.rank === 0 ? [out] : [], transport.rank === 1 ? [into] : [], 'embeddings')
}

if (process.argv[2] === 'absent' && process.env.OMPI_COMM_WORLD_RANK === '1') await sleep(60_000)
const transport = await openMpi({ timeoutSeconds })
guardProcess(transport)
await scenarios[process.argv[2] ?? 'idle']!(transport)
await transport.close()
console.log(`rank ${transport.rank} of ${transport.size} on ${transport.hosts.join(' ')}: done`)
