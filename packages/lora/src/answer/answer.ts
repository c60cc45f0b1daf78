// Questions answered greedily in batches, those on one context sharing its computation, and each answer scored.
import { scoreAnswer, type AnswerScore, type AskedQuestion, type Tokenizer } from '@jora/data'
import { Generator, type Decoder } from '@jora/llama'
import type { Device } from '@jora/tensor'

export interface AnswerOptions {
  /** Longest answer, in tokens. */
  readonly maxNewTokens: number
  /** Questions answered together. */
  readonly batchSize: number
  /** Ids that end an answer. */
  readonly stopIds: readonly number[]
  readonly signal?: AbortSignal | undefined
}

export interface AnsweredQuestion {
  readonly asked: AskedQuestion
  readonly prediction: string
  readonly score: AnswerScore
  /** `length`: cut at `maxNewTokens`. */
  readonly finishReason: 'stop' | 'length'
}

/** Questions on one context; a single one is a prompt like any other. */
type Group = readonly AskedQuestion[]

const lengthOf = ({ contextLength, prompt }: AskedQuestion): number => contextLength + prompt.length

/** Runs of groups with up to `size` questions, of similar length; those with shared contexts apart from the others. */
function batchesOf(questions: readonly AskedQuestion[], size: number): { shared: boolean; groups: Group[] }[] {
  const byContext = new Map<readonly number[] | AskedQuestion, AskedQuestion[]>()
  for (const asked of questions) {
    const key = asked.context.length > 0 ? asked.context : asked
    const group = byContext.get(key)
    if (group) group.push(asked)
    else byContext.set(key, [asked])
  }
  const groups = [...byContext.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / size) }, (_, i) => group.slice(i * size, (i + 1) * size)),
  )
  const batches: { shared: boolean; groups: Group[] }[] = []
  for (const shared of [true, false]) {
    const list = groups.filter((group) => group.length > 1 === shared)
    list.sort((a, b) => lengthOf(a[0]!) - lengthOf(b[0]!))
    let open: Group[] = []
    for (const group of list) {
      if (open.length > 0 && open.flat().length + group.length > size) {
        batches.push({ shared, groups: open })
        open = []
      }
      open.push(group)
    }
    if (open.length > 0) batches.push({ shared, groups: open })
  }
  return batches
}

/**
 * Answers every question, batch by batch, in an order of its own. The compiled programs are kept while it is iterated.
 * @throws the signal's reason once it is aborted
 */
export async function* answerQuestions(
  {
    decoder,
    tokenizer,
    device,
  }: { readonly decoder: Decoder; readonly tokenizer: Tokenizer; readonly device?: Device },
  questions: readonly AskedQuestion[],
  { batchSize, ...options }: AnswerOptions,
): AsyncGenerator<AnsweredQuestion[], void> {
  const { signal, ...rest } = options
  const settings = signal ? { ...rest, signal } : rest
  const generator = new Generator(decoder, device)
  try {
    for (const { shared, groups } of batchesOf(questions, batchSize)) {
      const asked = groups.flat()
      const results = shared
        ? await generator.generateShared(
            groups.map((group) => ({
              context: group[0]!.context,
              prompts: group.map(({ prompt, contextLength }) => ({ ids: prompt, contextLength })),
            })),
            settings,
          )
        : await generator.generate(
            asked.map(({ context, contextLength, prompt }) => [...context.slice(0, contextLength), ...prompt]),
            settings,
          )
      yield results.map(({ ids, finishReason }, i) => {
        const prediction = tokenizer.decode(ids, { continuation: true, skipSpecialTokens: true }).trim()
        const question = asked[i]!
        return {
          asked: question,
          prediction,
          score: scoreAnswer(prediction, question.answers, question.metric),
          finishReason,
        }
      })
    }
  } finally {
    generator.dispose()
  }
}
