// The playground's process: it holds the last model and answers one ask after another, base and tuned side by side.
import { scoreAnswer, type Ask as Question } from '@jora/data'
import type { ChatEvent, Side } from '../api'
import { keyOf, LoadedModel } from './loaded-model'
import type { Ask, FromWorker, ToWorker } from './messages'
import { questionOf } from './question'

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
  const { tokenizer, answerers } = model
  const questionFor = await questionOf(ask, model, tell)
  const sides = ask.sides.filter((side) => answerers[side] !== undefined)
  const ids = answerers.base!.promptIds(questionFor(sides.at(-1) ?? 'base'))
  if (ids.length === 0) throw new Error('The prompt is empty.')
  tell({ type: 'prompt', text: tokenizer.decode(ids), tokens: ids.length })
  await Promise.all(sides.map((side) => speak(side, model, questionFor(side), ask, signal, tell)))
}

async function speak(
  side: Side,
  { answerers }: LoadedModel,
  question: Question,
  ask: Ask,
  signal: AbortSignal,
  tell: (event: ChatEvent) => void,
): Promise<void> {
  const began = performance.now()
  const { maxNewTokens = defaultNewTokens, temperature = 0, topK, topP, repetitionPenalty, seed, expected = [] } = ask
  const pieces = answerers[side]!.stream(question, {
    maxNewTokens,
    temperature,
    signal,
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
    ...(repetitionPenalty === undefined ? {} : { repetitionPenalty }),
    ...(seed === undefined ? {} : { seed }),
  })
  for await (const { text, answer: whole } of pieces) {
    if (text !== '') tell({ type: 'token', side, text })
    if (!whole) continue
    const seconds = (performance.now() - began) / 1000
    const { exactMatch: right, f1 } = scoreAnswer(whole.text, expected)
    const score = expected.length === 0 ? {} : { score: { right, f1 } }
    tell({ type: 'done', side, finishReason: whole.finishReason, tokens: whole.ids.length, seconds, ...score })
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
