// Who drafts questions: a model behind an OpenAI-compatible endpoint, or one that is run here.
import { BudgetError, Endpoint, EndpointError, type Drafter } from '@jora/data'
import { UsageError } from './errors'
import { checked, expected, grouped, integer, number, onUnless, text, withDefault, type ValuesOf } from './flags/flag'
import type { Io, Session } from './io'
import { deviceFlags } from './open-device'
import { openAsked } from './open-asked'
import { count, duration, plural } from './ui/format'
import type { StatusLine } from './ui/status-line'

const share = (value: number) => value >= 0 && value <= 1

export const drafterFlags = grouped('Drafting questions:', {
  drafterUrl: text('an OpenAI-compatible endpoint that drafts, such as http://127.0.0.1:8000/v1', 'URL'),
  drafterModel: text('its model; alone: a model that is run here, a folder, GGUF file or Hub id', 'NAME'),
  drafterKeyEnv: checked(
    'the environment variable that holds the endpoint’s key',
    'NAME',
    (value) => {
      if (!/^[A-Za-z_]\w*$/.test(value)) throw expected('the name of a variable, not a key')
    },
    { shown: 'JORA_DRAFTER_KEY, then OPENAI_API_KEY for api.openai.com' },
  ),
  perPassage: withDefault(integer('questions asked for each passage', 1), 2),
  maxQuestions: integer('questions at most, over all documents', 1, { shown: 'as many as come' }),
  unanswerable: withDefault(
    number('share of passages that get a question they do not answer', 'from 0 to 1', share),
    0.15,
  ),
  draftCheck: onUnless('do not ask each question again to see whether its passage answers it'),
  concurrency: withDefault(integer('requests at a time', 1), 4),
  // Node's fetch gives up after 300.
  drafterTimeout: withDefault(
    number(
      'seconds that one reply of the endpoint may take',
      'over 0 and up to 300',
      (value) => value > 0 && value <= 300,
    ),
    300,
  ),
  maxRequests: integer('requests to the endpoint at most', 1, { shown: 'no limit' }),
  maxTokens: integer('tokens of prompts and answers at most, as the endpoint counts them', 1, { shown: 'no limit' }),
})

export type DrafterValues = ValuesOf<typeof drafterFlags>

/** A drafter that is ready, and how it is called in what it drafts. */
export interface OpenDrafter {
  readonly name: string
  readonly drafter: Drafter
  /** What was asked of it, in words. */
  used(): string
  dispose(): Promise<void>
}

/** The key for an endpoint; one that is set for OpenAI goes to OpenAI alone. */
function keyFor(url: string, name: string | undefined, env: Io['env']): string | undefined {
  if (name !== undefined) {
    if (!env[name]) throw new UsageError(`--drafter-key-env: the variable ${name} is empty`)
    return env[name]
  }
  const isOpenAi = /^https:\/\/api\.openai\.com(?:[/:]|$)/.test(url)
  return env.JORA_DRAFTER_KEY || (isOpenAi ? env.OPENAI_API_KEY : undefined) || undefined
}

/** @throws UsageError for flags that name no drafter */
export async function openDrafter(values: DrafterValues, io: Session, line: StatusLine): Promise<OpenDrafter> {
  const { drafterUrl: url, drafterModel: model, drafterKeyEnv, maxRequests, maxTokens } = values
  if (model === undefined)
    throw new UsageError('give --drafter-model NAME, of --drafter-url URL or of a model to be run here')
  if (url === undefined) return openLocal(model, values, io)
  try {
    const endpoint = new Endpoint({
      url,
      model,
      apiKey: keyFor(url, drafterKeyEnv, io.env),
      maxRequests,
      maxTokens,
      timeoutMs: values.drafterTimeout * 1000,
      onRetry: (why, ms) => line.log(`the drafter ${why}; asked again in ${duration(ms / 1000)}`),
    })
    return {
      name: model,
      drafter: endpoint,
      used: () => `${plural(endpoint.used.requests, 'request')}, ${plural(endpoint.used.tokens, 'token')}`,
      dispose: async () => {},
    }
  } catch (error) {
    throw error instanceof EndpointError && !(error instanceof BudgetError)
      ? new UsageError(`--drafter-url: ${error.message}`)
      : error
  }
}

async function openLocal(model: string, { maxRequests, maxTokens }: DrafterValues, io: Session): Promise<OpenDrafter> {
  if (maxRequests !== undefined || maxTokens !== undefined)
    throw new UsageError(
      '--max-requests and --max-tokens are for --drafter-url: a model that is run here costs time alone',
    )
  const { device, gpu, deviceMemory, dtype } = deviceFlags
  const where = {
    device: device.fallback!,
    gpu: gpu.fallback,
    deviceMemory: deviceMemory.fallback,
    dtype: dtype.fallback!,
  }
  const opened = await openAsked({ model, adapter: undefined, promptTemplate: 'chat', ...where }, io)
  let asked = 0
  return {
    name: opened.model.ref.name,
    drafter: {
      async ask(ask, { isDone, ...options } = {}) {
        asked++
        let text = ''
        for await (const piece of opened.answerer.stream(ask, options)) {
          text += piece.text
          if (piece.text !== '' && isDone?.(text)) break
        }
        return { text }
      },
    },
    used: () => `${count(asked)} answers`,
    dispose: () => opened.device.close(),
  }
}
