// jora serve: a model and its adapters behind OpenAI's HTTP, on this machine or for those who bring a key.
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { baseOfAdapter } from '@jora/lora'
import { createServe, isLoopback, listen, ListenError, type ServedModel } from '@jora/serve'
import { UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { choice, grouped, integer, text, texts, withDefault, type ValuesOf } from '../flags/flag'
import { interruptible } from '../interrupt'
import type { Session } from '../io'
import { weightFlags, deviceTitle } from '../open-device'
import { baseFlag } from '../flags/model-flags'
import { openServed, type NamedAdapter } from '../open-asked'
import { documentsFlags, openPassages } from '../passages'
import { styleFor } from '../ui/style'

const flags = {
  model: baseFlag,
  adapter: texts(
    'an adapter to serve, under NAME (its folder’s when absent); may be given more than once',
    '[NAME=]DIR',
  ),
  ...documentsFlags,
  host: withDefault(text('address to listen on', 'ADDRESS'), '127.0.0.1'),
  port: withDefault(integer('port to listen on; 0 is a free one', 0), 8000),
  apiKey: text('the bearer token that clients must send; JORA_API_KEY when absent', 'KEY'),
  mostRequests: withDefault(integer('most requests that are answered or wait; more get 429', 1), 64),
  maxNewTokens: withDefault(integer('longest answer where the request sets no limit, in tokens', 1), 512),
  log: withDefault(choice('a line of JSON on stderr for each request, without its texts', ['off', 'json']), 'off'),
  ...grouped('Device:', weightFlags),
}
type Values = ValuesOf<typeof flags>

export function registerServe(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'serve',
    flags,
    examples: [
      'serve --adapter out',
      'serve --model models/llama --adapter notes=out --adapter mail=out-mail --documents notes/ --port 8000',
      'serve --adapter out --documents notes/ --retriever hybrid',
      'serve --adapter out --documents notes/ --index-dir notes-index',
      'serve --adapter out --index notes-index',
      'serve --adapter out --host 0.0.0.0 --api-key "$KEY"',
    ],
    run: serve,
  })
}

/** `NAME=DIR`, or a folder whose name is the adapter's. @throws UsageError for two of one name */
function namedAdapters(given: readonly string[]): NamedAdapter[] {
  const named = given.map((word): NamedAdapter => {
    const [, name, dir] = /^([\w.-]+)=(.+)$/.exec(word) ?? []
    return name !== undefined && dir !== undefined ? { name, dir } : { name: basename(resolve(word)), dir: word }
  })
  const twice = named.find(({ name }, i) => named.findIndex((other) => other.name === name) !== i)
  if (twice) throw new UsageError(`--adapter: two adapters are called ${twice.name}; name them with NAME=DIR`)
  return named
}

async function serve(values: Values, { io, json }: CommandContext<typeof flags>): Promise<void> {
  const { host, port, mostRequests, maxNewTokens } = values
  const apiKey = values.apiKey ?? (io.env.JORA_API_KEY || undefined)
  if (!isLoopback(host) && apiKey === undefined)
    throw new UsageError(`--host ${host} lets others in: give a key with --api-key KEY or JORA_API_KEY`)
  const adapters = namedAdapters(values.adapter ?? [])
  if (values.model === undefined && adapters.length === 0)
    throw new UsageError('pass --model DIR, or --adapter DIR of an adapter that names its base')
  const model = values.model ?? (await baseOfAdapter(adapters[0]!.dir)).model
  const {
    device,
    tokenizer,
    programCounts,
    models: opened,
    dispose,
  } = await openServed({ ...values, model, adapters }, io)
  const passages = await openPassages(values, { tokenizer, device }, io)
  // Adapters first: who names no model asks what was tuned.
  const models: ServedModel[] = opened.map(({ name, answerer }) => ({ name, answerer: passages.wrap(answerer) }))
  const app = createServe({
    models,
    host,
    apiKey,
    mostRequests,
    maxNewTokens,
    programs: programCounts,
    ...(values.log === 'json' && { onRequest: (record) => io.stderr.write(`${JSON.stringify(record)}\n`) }),
  })
  const server = await listen(app.fetch, { host, port }).catch((error: unknown) => {
    throw error instanceof ListenError ? new UsageError(error.message) : error
  })
  const { signal, release } = interruptible(io)
  try {
    const style = styleFor(io.stdout, io.env)
    const names = models.map(({ name }) => name)
    if (json) io.stdout.write(`${JSON.stringify({ address: server.address, port: server.port, models: names })}\n`)
    else io.stdout.write(`${names.join(', ')} at ${style.cyan(`${server.address}/v1`)}\n`)
    io.stderr.write(`${styleFor(io.stderr, io.env).dim(`on ${deviceTitle(device)}; Ctrl-C ends it`)}\n`)
    await new Promise<void>((done) => {
      if (signal.aborted) done()
      signal.addEventListener('abort', () => done(), { once: true })
    })
    await server.close()
  } finally {
    release()
    passages.dispose()
    await dispose()
  }
}
