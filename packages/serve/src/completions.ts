// Answers as completions: whole, or in chunks; of chats and of prompts.
import { randomUUID } from 'node:crypto'
import type { Answer, AnswerOptions, Answerer, Ask, Passage, TokenLogprob, ToolCall } from '@jora/data'
import { ServeError } from './error'
import { chatLogprobs, textLogprobs } from './logprobs'
import { merged } from './merge'
import type { ChatRequest, CompletionRequest } from './schemas'
import { toolCallsOf } from './tools'

/** What is new in a chunk. */
interface Part {
  /** Absent in the chunk that says why the answer ended. */
  readonly text?: string
  readonly first: boolean
  readonly logprobs?: readonly TokenLogprob[] | undefined
  readonly toolCalls?: readonly ToolCall[] | undefined
  /** Characters of the answer's tokens before these. */
  readonly offset: number
}

/** How one kind of completion writes what it says. */
interface Form {
  readonly prefix: string
  readonly object: string
  readonly chunkObject: string
  /** A choice of a whole answer, and of a chunk, where a role is in the first. */
  whole(answer: Answer): object
  part(part: Part): object
}

export const forms = {
  chat: {
    prefix: 'chatcmpl',
    object: 'chat.completion',
    chunkObject: 'chat.completion.chunk',
    whole({ text, logprobs, toolCalls }) {
      const content = toolCalls && text.trim() === '' ? null : text
      const called = toolCalls && { tool_calls: toolCallsOf(toolCalls, false) }
      return {
        message: { role: 'assistant', content, refusal: null, ...called },
        logprobs: logprobs ? chatLogprobs(logprobs) : null,
      }
    },
    part: ({ text, first, logprobs, toolCalls }) => ({
      delta: {
        ...(first && { role: 'assistant' }),
        ...(text !== undefined && { content: text }),
        ...(toolCalls && { tool_calls: toolCallsOf(toolCalls, true) }),
      },
      logprobs: logprobs ? chatLogprobs(logprobs) : null,
    }),
  },
  text: {
    prefix: 'cmpl',
    object: 'text_completion',
    chunkObject: 'text_completion',
    whole: ({ text, logprobs }) => ({ text, logprobs: logprobs ? textLogprobs(logprobs, 0) : null }),
    part: ({ text = '', logprobs, offset }) => ({ text, logprobs: logprobs ? textLogprobs(logprobs, offset) : null }),
  },
} satisfies Record<string, Form>

/** A request, whichever kind it is, as questions. */
export interface Job {
  readonly form: Form
  readonly model: string
  readonly answerer: Answerer
  /** Each is answered `n` times. */
  readonly asks: readonly Ask[]
  readonly n: number
  readonly options: AnswerOptions & { readonly seed: number }
  /** Of several calls of tools the first alone is wanted. */
  readonly oneCall: boolean
  /** Called with every answer that is whole. */
  readonly onAnswer: (answer: Answer) => void
}

/** Of how many tokens at each place log probabilities are wanted, if they are at all. */
function logprobsOf(request: ChatRequest | CompletionRequest): Pick<AnswerOptions, 'logprobs'> {
  if (!('messages' in request)) return request.logprobs == null ? {} : { logprobs: request.logprobs }
  const { logprobs, top_logprobs: top } = request
  if (top != null && logprobs !== true)
    throw new ServeError(400, 'top_logprobs: is for requests with "logprobs": true', { param: 'top_logprobs' })
  return logprobs === true ? { logprobs: top ?? 0 } : {}
}

/** Settings of a request, in our words. @throws ServeError for settings that exclude each other */
export function optionsOf(
  request: ChatRequest | CompletionRequest,
  { maxNewTokens, signal }: { readonly maxNewTokens: number; readonly signal: AbortSignal },
): Job['options'] {
  const { temperature, top_p: topP, seed, stop, presence_penalty: presence, frequency_penalty: frequency } = request
  const most = ('max_completion_tokens' in request ? request.max_completion_tokens : undefined) ?? request.max_tokens
  return {
    maxNewTokens: most ?? maxNewTokens,
    temperature: temperature ?? 1,
    topP: topP ?? 1,
    presencePenalty: presence ?? 0,
    frequencyPenalty: frequency ?? 0,
    // Without a seed each answer is another.
    seed: seed ?? Math.floor(Math.random() * 2 ** 31),
    stop: [stop ?? []].flat(),
    ...logprobsOf(request),
    signal,
  }
}

/** Every answer of a job: its choice's number, what is asked, and the seed it has. */
const choicesOf = ({ asks, n, options }: Job) =>
  asks.flatMap((ask, i) =>
    Array.from({ length: n }, (_, k) => ({ index: i * n + k, ask, options: { ...options, seed: options.seed + k } })),
  )

const headOf = ({ form, model }: Job, object: string) => ({
  id: `${form.prefix}-${randomUUID().replaceAll('-', '')}`,
  object,
  created: Math.floor(Date.now() / 1000),
  model,
})

const usageOf = (answers: readonly Answer[], n: number) => {
  // A prompt counts once however often it is answered.
  const prompt = answers.reduce((sum, { promptTokens }, i) => sum + (i % n === 0 ? promptTokens : 0), 0)
  const completion = answers.reduce((sum, { ids }) => sum + ids.length, 0)
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}

const citationsOf = (passages: readonly Passage[] | undefined) =>
  passages && { citations: passages.map(({ index, score, title, text }) => ({ index, score, title, text })) }

/** The answer as the request wants it. */
const shaped = ({ oneCall }: Job, answer: Answer): Answer =>
  oneCall && answer.toolCalls ? { ...answer, toolCalls: answer.toolCalls.slice(0, 1) } : answer

const reasonOf = ({ finishReason, toolCalls }: Answer) => (toolCalls ? 'tool_calls' : finishReason)

/** The whole completion, once all is said. Its choices are answered together. */
export async function complete(job: Job): Promise<object> {
  const answers = await Promise.all(
    choicesOf(job).map(async ({ ask, options }) => {
      const answer = shaped(job, await job.answerer.ask(ask, options))
      job.onAnswer(answer)
      return answer
    }),
  )
  return {
    ...headOf(job, job.form.object),
    choices: answers.map((answer, index) => ({ index, ...job.form.whole(answer), finish_reason: reasonOf(answer) })),
    usage: usageOf(answers, job.n),
    ...citationsOf(answers[0]?.passages),
  }
}

/** The choices of a chunk, and what else is in it. */
interface Chunk {
  readonly choices: readonly object[]
  readonly more?: object | undefined
}

/** One choice as it is said; its last chunk has the reason, and citations. */
async function* choiceInChunks(
  job: Job,
  { index, ask, options }: ReturnType<typeof choicesOf>[number],
  onAnswer: (answer: Answer) => void,
): AsyncGenerator<Chunk, void> {
  let first = true
  let offset = 0
  // Of tokens whose text is not yet known, log probabilities come with the text.
  let held: TokenLogprob[] = []
  const part = (said: Partial<Part>) => {
    const logprobs = held.length > 0 ? held : undefined
    held = []
    const made = job.form.part({ first, offset, logprobs, ...said })
    first = false
    offset += (logprobs ?? []).reduce((sum, { text }) => sum + text.length, 0)
    return made
  }
  for await (const piece of job.answerer.stream(ask, options)) {
    held.push(...(piece.logprobs ?? []))
    const answer = piece.answer && shaped(job, piece.answer)
    if (piece.text !== '' || first) yield { choices: [{ index, ...part({ text: piece.text }), finish_reason: null }] }
    if (!answer) continue
    onAnswer(answer)
    const { toolCalls } = answer
    if (toolCalls) yield { choices: [{ index, ...part({ toolCalls }), finish_reason: null }] }
    yield {
      choices: [{ index, ...part({}), finish_reason: reasonOf(answer) }],
      more: citationsOf(answer.passages),
    }
  }
}

/** The completion chunk by chunk, choices as they are said; usage, where asked for, is the last. */
export async function* completeInChunks(job: Job, includeUsage: boolean): AsyncGenerator<object, void> {
  const head = headOf(job, job.form.chunkObject)
  // Whoever asks for usage finds the key in every chunk.
  const chunk = (choices: readonly object[], usage: object | null = null, more: object = {}) => ({
    ...head,
    choices,
    ...(includeUsage && { usage }),
    ...more,
  })
  const answers: Answer[] = []
  const streams = choicesOf(job).map((choice) =>
    choiceInChunks(job, choice, (answer) => {
      job.onAnswer(answer)
      answers[choice.index] = answer
    }),
  )
  const [only] = streams
  for await (const { choices, more } of streams.length === 1 ? only! : merged(streams)) yield chunk(choices, null, more)
  if (includeUsage) yield chunk([], usageOf(answers, job.n))
}
