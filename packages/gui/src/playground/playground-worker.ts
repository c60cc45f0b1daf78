// The playground's process: it holds the last model and answers one ask after another, base and tuned side by side.
import type { ChatEvent, Side } from '../api'
import { keyOf, LoadedModel } from './loaded-model'
import type { Ask, FromWorker, ToWorker } from './messages'
import { buildPrompt } from './prompt'

const defaultNewTokens = 256

let held: LoadedModel | undefined
const aborts = new Map<number, AbortController>()
let last: Promise<void> = Promise.resolve()

const send = (message: FromWorker): void => void process.send?.(message)

async function modelFor(ask: Ask, tell: (event: ChatEvent) => void): Promise<LoadedModel> {
  const key = await keyOf(ask)
  if (held?.key === key) return held
  tell({ type: 'loading', text: 'The model is loaded; its first answer takes longest.' })
  const old = held
  held = undefined
  await old?.dispose()
  held = await LoadedModel.open(key, ask)
  return held
}

async function answer(ask: Ask, signal: AbortSignal, tell: (event: ChatEvent) => void): Promise<void> {
  const model = await modelFor(ask, tell)
  signal.throwIfAborted()
  const { tokenizer } = model
  const { ids, context } = buildPrompt(ask, tokenizer)
  if (ids.length === 0) throw new Error('The prompt is empty.')
  if (context) tell(context)
  tell({ type: 'prompt', text: tokenizer.decode(ids), tokens: ids.length })
  const sides = ask.sides.filter((side) => model.generators[side] !== undefined)
  await Promise.all(sides.map((side) => speak(side, model, ids, ask, signal, tell)))
}

async function speak(
  side: Side,
  { generators, tokenizer, stopIds }: LoadedModel,
  ids: readonly number[],
  ask: Ask,
  signal: AbortSignal,
  tell: (event: ChatEvent) => void,
): Promise<void> {
  const began = performance.now()
  const { maxNewTokens = defaultNewTokens, temperature = 0, topK, topP, repetitionPenalty, seed } = ask
  const decoding = tokenizer.textStream({ skipSpecialTokens: true, continuation: true })
  const stream = generators[side]!.stream(ids, {
    maxNewTokens,
    temperature,
    stopIds,
    signal,
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
    ...(repetitionPenalty === undefined ? {} : { repetitionPenalty }),
    ...(seed === undefined ? {} : { seed }),
  })
  const put = (text: string) => {
    if (text !== '') tell({ type: 'token', side, text })
  }
  let tokens = 0
  for (;;) {
    const next = await stream.next()
    if (next.done) {
      put(decoding.flush())
      const { finishReason } = next.value
      return tell({ type: 'done', side, finishReason, tokens, seconds: (performance.now() - began) / 1000 })
    }
    tokens++
    put(decoding.push(next.value))
  }
}

process.on('message', (message: ToWorker) => {
  if (message.type === 'abort') return aborts.get(message.id)?.abort(new Error('aborted'))
  const { id, ask } = message
  const abort = new AbortController()
  aborts.set(id, abort)
  last = last.then(async () => {
    try {
      abort.signal.throwIfAborted()
      await answer(ask, abort.signal, (event) => send({ id, event }))
    } catch (error) {
      if (!abort.signal.aborted) send({ id, event: { type: 'error', message: (error as Error).message } })
    } finally {
      aborts.delete(id)
      send({ id })
    }
  })
})
// The server is gone: nobody asks any more.
process.on('disconnect', () => process.exit(0))
// Ctrl-C is the server's, which ends this process in order.
process.on('SIGINT', () => {})
