// A running `jora serve` under load: one client, then many at once, each with a context of its own and streamed answers.
//   jora serve --model MODEL --port 8000 &
//   node serve-load.mjs [--url http://127.0.0.1:8000] [--clients 32] [--seconds 120] [--words 700] [--max-tokens 32] [--pid PID]
// Counts answers, refusals (429) and errors, tokens a second alone and together, and with --pid the server's memory before and
// after. At temperature 0 an answer under load is the one that the same question got alone (tests hold this in f32); where the
// CPU computes products of quantised weights in int8, near ties may fall otherwise in a batch: what differs is counted.
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'

const { values: flags } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8000' },
    clients: { type: 'string', default: '32' },
    seconds: { type: 'string', default: '120' },
    words: { type: 'string', default: '700' },
    'max-tokens': { type: 'string', default: '32' },
    pid: { type: 'string' },
  },
})
const [clients, seconds, words, maxTokens] = [flags.clients, flags.seconds, flags.words, flags['max-tokens']].map(
  Number,
)

/** Contexts that share nothing. @param {number} client */
const contextOf = (client) =>
  Array.from({ length: words ?? 0 }, (_, i) => `word${(i * 7919 + client * 104_729) % 9973}`).join(' ')

const tally = { answers: 0, tokens: 0, refused: 0, errors: /** @type {Record<string, number>} */ ({}) }

/** @param {number} client @returns {Promise<string | undefined>} what was said; undefined for a refusal or an error */
async function ask(client) {
  const body = {
    messages: [{ role: 'user', content: `${contextOf(client)}\nWhat is this about?` }],
    temperature: 0,
    max_tokens: maxTokens,
    stream: true,
    stream_options: { include_usage: true },
  }
  try {
    const response = await fetch(`${flags.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (response.status === 429) {
      tally.refused++
      await response.text()
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get('retry-after') ?? 1)))
      return undefined
    }
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
    const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'))
    const chunks = events.map((event) => JSON.parse(event.slice(6)))
    const failed = chunks.find(({ error }) => error)
    if (failed) throw new Error(failed.error.message)
    tally.answers++
    tally.tokens += chunks.at(-1).usage.completion_tokens
    return chunks.map(({ choices }) => choices[0]?.delta?.content ?? '').join('')
  } catch (error) {
    const { message } = /** @type {Error} */ (error)
    tally.errors[message] = (tally.errors[message] ?? 0) + 1
    return undefined
  }
}

/** Resident memory of the server, in MiB. */
async function memory() {
  if (flags.pid === undefined) return undefined
  const status = await readFile(`/proc/${flags.pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
}

/** @type {Map<number, string>} */
const alone = new Map()
let differing = 0

/** @param {number} many @param {number} length in seconds */
async function phase(many, length) {
  Object.assign(tally, { answers: 0, tokens: 0, refused: 0, errors: {} })
  const began = performance.now()
  const until = began + 1000 * length
  const run = async (/** @type {number} */ client) => {
    for (let turn = 0; performance.now() < until; turn++) {
      // One asks what all will ask.
      const who = many === 1 ? turn % (clients ?? 1) : client
      const said = await ask(who)
      if (said === undefined) continue
      const before = alone.get(who)
      if (before === undefined) alone.set(who, said)
      else if (before !== said) differing++
    }
  }
  await Promise.all(Array.from({ length: many }, (_, client) => run(client)))
  const took = (performance.now() - began) / 1000
  return {
    clients: many,
    seconds: Math.round(took),
    ...tally,
    tokensPerSecond: Number((tally.tokens / took).toFixed(1)),
  }
}

await ask(0) // compiles
const one = await phase(1, (seconds ?? 0) / 2)
console.log(JSON.stringify(one))
const before = await memory()
const all = await phase(clients ?? 1, seconds ?? 0)
console.log(JSON.stringify(all))
const ratio = Number((all.tokensPerSecond / one.tokensPerSecond).toFixed(2))
console.log(JSON.stringify({ ratio, differing, megabytesBefore: before, megabytesAfter: await memory() }))
if (Object.keys(all.errors).length > 0) process.exitCode = 1
