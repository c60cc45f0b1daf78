// `jora serve` under load: one client, then many at once, with streamed answers on contexts that they share or have alone.
//   node serve-load.mjs --model MODEL [--device cpu] [--clients 32] [--contexts 4] [--seconds 120] [--words 1000] [--max-tokens 64]
//   jora serve --model MODEL --port 8000 &  node serve-load.mjs --url http://127.0.0.1:8000 [--pid PID]
// With --model it starts the server, and ends it. --contexts says how many contexts there are; as many as clients, and each has its own.
// First every question is asked alone, once; then all clients ask theirs again and again. Prints tokens a second of both; the ratio,
// which is the time that the answers of the load took alone over the time that they took together (short answers come up more often
// under load, and a token of theirs costs more); refusals (429) and errors; and the server's memory and compiled programs at the start
// and the end of the load. Where the server's process is known, the ratio of its processor time too, which says the same on a machine
// that has other work. A server that runs already is named by --pid. At temperature 0 an answer under load is to be the one that the
// same question got alone.
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    dtype: { type: 'string', default: 'auto' },
    jora: { type: 'string', default: fileURLToPath(new URL('../../apps/cli/bin/jora.mjs', import.meta.url)) },
    url: { type: 'string' },
    clients: { type: 'string', default: '32' },
    contexts: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '120' },
    words: { type: 'string', default: '1000' },
    'max-tokens': { type: 'string', default: '64' },
    pid: { type: 'string' },
  },
})
const [clients, contexts, seconds, words, maxTokens] = /** @type {[number, number, number, number, number]} */ (
  [flags.clients, flags.contexts, flags.seconds, flags.words, flags['max-tokens']].map(Number)
)

/** Starts a server. @param {string} model */
async function start(model) {
  const child = spawn(
    process.execPath,
    [flags.jora, 'serve', '--model', model, '--device', flags.device, '--dtype', flags.dtype, '--port', '0', '--json'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = /** @type {[Buffer]} */ (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]))
  if (!Buffer.isBuffer(line)) throw new Error('the server did not start')
  return { url: JSON.parse(line.toString()).address, pid: String(child.pid), end: () => child.kill('SIGINT') }
}
const server = flags.model === undefined ? undefined : await start(flags.model)
const url = server?.url ?? flags.url ?? 'http://127.0.0.1:8000'
const pid = server?.pid ?? flags.pid

const vocabulary =
  'time year people way day man thing woman life child world school state family student group country problem hand part place case week company system program question work government number night point home water room mother area money story fact month lot right study book eye job word business issue side kind head house service friend father power hour game line end member law car city community name'.split(
    ' ',
  )

/** Contexts begin differently; a word is about a token. @param {number} client */
const contextOf = (client) => {
  const context = client % contexts
  return Array.from(
    { length: words },
    (_, i) => vocabulary[(i * 7919 + context * 31 + Math.floor((i * i) / (7 + context))) % vocabulary.length],
  ).join(' ')
}

const tally = { answers: 0, tokens: 0, promptTokens: 0, refused: 0, errors: /** @type {Record<string, number>} */ ({}) }

/** @param {number} client @returns {Promise<string | undefined>} what was said; undefined for a refusal or an error */
async function ask(client) {
  const body = {
    messages: [{ role: 'user', content: `${contextOf(client)}\nWhat is number ${client} of this about?` }],
    temperature: 0,
    max_tokens: maxTokens,
    stream: true,
    stream_options: { include_usage: true },
  }
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
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
    const { usage } = chunks.at(-1)
    tally.tokens += usage.completion_tokens
    tally.promptTokens += usage.prompt_tokens
    return chunks.map(({ choices }) => choices[0]?.delta?.content ?? '').join('')
  } catch (error) {
    const { message } = /** @type {Error} */ (error)
    tally.errors[message] = (tally.errors[message] ?? 0) + 1
    return undefined
  }
}

/** Memory of the server in MiB: resident now, and at its highest so far. */
async function memory() {
  if (pid === undefined) return undefined
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const [now, peak] = ['VmRSS', 'VmHWM'].map((name) =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024),
  )
  return { now, peak }
}

/** Seconds of processor time that the server has used, as Linux counts them. */
async function processorSeconds() {
  if (pid === undefined) return undefined
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return user === undefined || system === undefined ? undefined : (user + system) / 100
}

/** Programs that the server has compiled. */
async function programs() {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^jora_programs_compiled_total (\d+)$/m.exec(text)?.[1])
}

/** What a question was answered alone, and what that took. @type {Map<number, { said: string, seconds: number, processor: number }>} */
const alone = new Map()
let differing = 0

/** Every question, one at a time. */
async function oneAtATime() {
  for (let who = 0; who < clients; who++) {
    const [began, used] = [performance.now(), await processorSeconds()]
    const said = await ask(who)
    if (said === undefined) throw new Error(`question ${who} was not answered alone: ${JSON.stringify(tally)}`)
    const processor = ((await processorSeconds()) ?? NaN) - (used ?? NaN)
    alone.set(who, { said, seconds: (performance.now() - began) / 1000, processor })
  }
}

/** All clients at once. @param {number} length in seconds @returns what the answers took alone */
async function together(length) {
  const until = performance.now() + 1000 * length
  const took = { seconds: 0, processor: 0 }
  const run = async (/** @type {number} */ client) => {
    while (performance.now() < until) {
      const said = await ask(client)
      const before = alone.get(client)
      if (said === undefined || before === undefined) continue
      took.seconds += before.seconds
      took.processor += before.processor
      if (before.said !== said) differing++
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, client) => run(client)))
  return took
}

/** Runs a phase and says how it went. @template T @param {number} many @param {() => Promise<T>} run */
async function phase(many, run) {
  Object.assign(tally, { answers: 0, tokens: 0, promptTokens: 0, refused: 0, errors: {} })
  const [began, used] = [performance.now(), await processorSeconds()]
  const result = await run()
  const seconds = (performance.now() - began) / 1000
  const processor = ((await processorSeconds()) ?? NaN) - (used ?? NaN)
  const tokensPerSecond = Number((tally.tokens / seconds).toFixed(1))
  const processorMilliseconds = Number(((1000 * processor) / tally.tokens).toFixed(1))
  console.log(
    JSON.stringify({ clients: many, seconds: Math.round(seconds), ...tally, tokensPerSecond, processorMilliseconds }),
  )
  return { result, seconds, processor }
}

for (let context = 0; context < contexts; context++) await ask(context) // compiles, and reads what is shared
await phase(1, oneAtATime)
// What many need is compiled while the first few of them are answered.
await phase(clients, () => together(Math.min(20, seconds / 6)))
differing = 0
const before = { ...(await memory()), programs: await programs() }
const load = await phase(clients, () => together(seconds))
const ratio = Number((load.result.seconds / load.seconds).toFixed(2))
const ratioOfProcessorTime = Number((load.result.processor / load.processor).toFixed(2))
const after = { ...(await memory()), programs: await programs() }
console.log(JSON.stringify({ ratio, ratioOfProcessorTime, contexts, differing, before, after }))
server?.end()
if (Object.keys(tally.errors).length > 0) process.exitCode = 1
