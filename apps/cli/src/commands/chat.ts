// jora chat: a conversation with a model, tuned or not, in the terminal.
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { baseOfAdapter } from '@jora/lora'
import { Conversation, type Screen } from '../conversation'
import { UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { grouped, integer, number, text, withDefault, type ValuesOf } from '../flags/flag'
import type { Session } from '../io'
import { weightFlags, deviceTitle } from '../open-device'
import { adapterFlag, baseFlag } from '../flags/model-flags'
import { openServed } from '../open-asked'
import { documentsFlags, openPassages } from '../passages'
import { styleFor } from '../ui/style'

const flags = {
  model: baseFlag,
  adapter: adapterFlag,
  system: text('the system message before the conversation', 'TEXT'),
  ...documentsFlags,
  maxNewTokens: withDefault(integer('longest answer, in tokens', 1), 512),
  ...grouped('Sampling:', {
    temperature: withDefault(
      number('0 is greedy', '≥ 0', (v) => v >= 0),
      0,
    ),
    topP: withDefault(
      number('only the likeliest tokens that together reach p', 'over 0 and up to 1', (v) => v > 0 && v <= 1),
      1,
    ),
    seed: withDefault(integer('seed of the sampler', 0), 0),
  }),
  ...grouped('Device:', weightFlags),
}
type Values = ValuesOf<typeof flags>

export function registerChat(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'chat',
    flags,
    examples: ['chat --adapter out', 'chat --model models/llama --documents notes/ --temperature 0.7'],
    run: chat,
  })
}

/** Answers on stdout, all else on stderr. */
function screenOf({ stdout, stderr, env }: Session, quiet: boolean): Screen {
  const [style, plain] = [styleFor(stderr, env), styleFor(stdout, env)]
  const put = (words: string) => {
    if (!quiet) stdout.write(words)
  }
  return {
    note: (line) => stderr.write(`${style.dim(line)}\n`),
    speaker: (name) => put(`${plain.cyan(`${name}:`)} `),
    say: put,
    end(cut, passages = []) {
      put('\n')
      if (cut) stderr.write(`${style.yellow('(the answer was cut off)')}\n`)
      const titles = passages.map(({ title, index }) => title ?? `passage ${index + 1}`)
      if (titles.length > 0) stderr.write(`${style.dim(`from ${[...new Set(titles)].join(', ')}`)}\n`)
    },
  }
}

async function chat(values: Values, { io, json }: CommandContext<typeof flags>): Promise<void> {
  const { adapter, system, maxNewTokens, temperature, topP, seed } = values
  if (values.model === undefined && adapter === undefined)
    throw new UsageError('pass --model DIR, or --adapter DIR of an adapter that names its base')
  const model = values.model ?? (await baseOfAdapter(adapter!)).model
  const adapters = adapter === undefined ? [] : [{ name: `${basename(resolve(adapter))} (tuned)`, dir: adapter }]
  const { device, tokenizer, models, dispose } = await openServed({ ...values, model, adapters }, io)
  const passages = await openPassages(values, { tokenizer, device }, io)
  const [main, base] = models.map(({ answerer }) => passages.wrap(answerer))
  const screen = screenOf(io, json)
  const conversation = new Conversation(
    { main: main!, base },
    { maxNewTokens, temperature, topP, seed },
    screen,
    system,
  )
  // Ctrl-C ends the answer that is being made; where none is, the conversation.
  const over = new AbortController()
  let answering: AbortController | undefined
  const release = io.onInterrupt(() => (answering ?? over).abort(new Error('stopped')))
  try {
    screen.note(`on ${deviceTitle(device)}; /help lists the commands, Ctrl-C ends an answer`)
    for await (const line of io.readLines('> ', over.signal)) {
      answering = new AbortController()
      const goes = await conversation.take(line, answering.signal).catch((error: Error) => {
        screen.note(`error: ${error.message}`)
        return true
      })
      answering = undefined
      if (!goes) break
    }
    if (json) io.stdout.write(`${JSON.stringify({ messages: conversation.messages })}\n`)
  } finally {
    release()
    passages.dispose()
    await dispose()
  }
}
