// Answers as completions: whole, or in chunks; of chats and of prompts.
import { randomUUID } from 'node:crypto'
import type { Answer, AnswerOptions, Answerer, Ask, Passage } from '@jora/data'
import type { ChatRequest, CompletionRequest } from './schemas'

/** How one kind of completion writes what it says. */
interface Form {
  readonly prefix: string
  readonly object: string
  readonly chunkObject: string
  /** A choice of a whole answer, and of a chunk, where a role is in the first. */
  whole(text: string): object
  part(text: string | undefined, first: boolean): object
}

export const forms = {
  chat: {
    prefix: 'chatcmpl',
    object: 'chat.completion',
    chunkObject: 'chat.completion.chunk',
    whole: (content) => ({ message: { role: 'assistant', content, refusal: null }, logprobs: null }),
    part: (content, first) => ({
      delta: { ...(first && { role: 'assistant' }), ...(content !== undefined && { content }) },
      logprobs: null,
    }),
  },
  text: {
    prefix: 'cmpl',
    object: 'text_completion',
    chunkObject: 'text_completion',
    whole: (text) => ({ text, logprobs: null }),
    part: (text = '') => ({ text, logprobs: null }),
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
  /** Called with every answer that is whole. */
  readonly onAnswer: (answer: Answer) => void
}

/** Settings of a request, in our words. */
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

/** The whole completion, once all is said. */
export async function complete(job: Job): Promise<object> {
  const answers: Answer[] = []
  for (const { ask, options } of choicesOf(job)) {
    const answer = await job.answerer.ask(ask, options)
    job.onAnswer(answer)
    answers.push(answer)
  }
  return {
    ...headOf(job, job.form.object),
    choices: answers.map(({ text, finishReason }, index) => ({
      index,
      ...job.form.whole(text),
      finish_reason: finishReason,
    })),
    usage: usageOf(answers, job.n),
    ...citationsOf(answers[0]?.passages),
  }
}

/** The completion chunk by chunk, as it is said; its last chunks have reason, citations and, where asked for, usage. */
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
  for (const { index, ask, options } of choicesOf(job)) {
    let first = true
    for await (const { text, answer } of job.answerer.stream(ask, options)) {
      if (text !== '' || first) yield chunk([{ index, ...job.form.part(text, first), finish_reason: null }])
      first = false
      if (!answer) continue
      job.onAnswer(answer)
      answers.push(answer)
      const end = { index, ...job.form.part(undefined, false), finish_reason: answer.finishReason }
      yield chunk([end], null, citationsOf(answer.passages))
    }
  }
  if (includeUsage) yield chunk([], usageOf(answers, job.n))
}
