// jora generate: a model's continuation of a prompt, streamed as it is made.
import type { Command } from 'commander'
import { promptChoices, readText, type Ask } from '@jora/data'
import { fromFirst } from '@jora/lora'
import { Interrupted, UsageError } from '../errors'
import { rowFlags } from '../dataset-file'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { choice, grouped, integer, number, text, texts, withDefault, type ValuesOf } from '../flags/flag'
import { interruptible } from '../interrupt'
import type { Session } from '../io'
import { weightFlags, deviceTitle, leave, meshFlags, speaking } from '../open-device'
import { adapterFlag, baseFlag } from '../flags/model-flags'
import { openAsked } from '../open-asked'

import { styleFor } from '../ui/style'

const flags = {
  model: baseFlag,
  adapter: adapterFlag,
  prompt: text('text to continue; - reads it from stdin', 'TEXT'),
  instruction: text('an instruction, asked as the adapter was trained to be', 'TEXT'),
  input: text('what the instruction is about', 'TEXT'),
  question: text('a question on the documents', 'TEXT'),
  document: texts('a text file to answer from; may be given more than once, the first comes first', 'FILE'),
  promptTemplate: withDefault(
    choice('how it is asked; auto is as the adapter was trained, or what fits the model', promptChoices),
    'auto',
  ),
  contextTemplate: rowFlags.contextTemplate,
  maxNewTokens: withDefault(integer('longest continuation, in tokens', 1), 256),
  stop: texts('end before this text; may be given more than once', 'TEXT'),
  ...grouped('Sampling:', {
    temperature: withDefault(
      number('0 is greedy', '≥ 0', (v) => v >= 0),
      0,
    ),
    topK: withDefault(integer('only the k most likely tokens; 0 is all', 0), 0),
    topP: withDefault(
      number('only the likeliest tokens that together reach p', 'over 0 and up to 1', (v) => v > 0 && v <= 1),
      1,
    ),
    repetitionPenalty: withDefault(
      number('divides the scores of tokens already seen; 1 is off', '> 0', (v) => v > 0),
      1,
    ),
    presencePenalty: withDefault(
      number('subtracted from tokens already generated', '', () => true),
      0,
    ),
    frequencyPenalty: withDefault(
      number('the same for each time', '', () => true),
      0,
    ),
    seed: withDefault(integer('seed of the sampler', 0), 0),
  }),
  ...grouped('Device:', { ...weightFlags, ...meshFlags }),
}

type Values = ValuesOf<typeof flags>

export function registerGenerate(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'generate',
    flags,
    examples: [
      'generate --adapter out --instruction "Name three colours." --max-new-tokens 64',
      'generate --model models/llama --prompt "Once upon a time" --temperature 0.8 --top-p 0.95',
      'generate --model models/llama --prompt - < prompt.txt',
      'generate --adapter out --document peru.txt --document chad.txt --question "What is the capital of Peru?"',
    ],
    run: generate,
  })
}

/** What the flags ask. The text of a prompt is still to be read where it is `-`. */
async function askOf({ prompt, instruction, input, question, document = [] }: Values): Promise<Ask> {
  if ([prompt, instruction, question].filter((given) => given !== undefined).length !== 1)
    throw new UsageError('pass one of --prompt TEXT, --instruction TEXT and --question TEXT')
  if (document.length > 0 && question === undefined) throw new UsageError('--document goes with --question TEXT')
  if (prompt !== undefined && input !== undefined)
    throw new UsageError('--input goes with --instruction, not with --prompt')
  if (prompt !== undefined) return { prompt }
  if (instruction !== undefined) return input === undefined ? { instruction } : { instruction, input }
  if (document.length === 0) throw new UsageError('--question needs a --document FILE to answer from')
  const texts = await Promise.all(document.map((file) => readText(file)))
  return { question: question!, documents: texts.map((content) => ({ text: content.trim() })) }
}

async function generate(values: Values, { io: session, given, json }: CommandContext<typeof flags>): Promise<void> {
  const wanted = await askOf(values)
  const { contextTemplate, ...rest } = values
  const model = await openAsked(given.has('contextTemplate') ? { ...rest, contextTemplate } : rest, session)
  const { answerer, device } = model
  const io = speaking(device, session)
  // A launcher gives what comes on stdin to the first process only.
  const read = async () => new TextEncoder().encode(await session.readStdin())
  const ask = values.prompt === '-' ? { prompt: new TextDecoder().decode(await fromFirst(device, read)) } : wanted
  if ('prompt' in ask && ask.prompt === '') throw new UsageError('the prompt is empty, expected text')
  // On the CPU, the usual case, nothing is between a prompt and its continuation.
  if (device.kind !== 'cpu') io.stderr.write(`${styleFor(io.stderr, io.env).dim(`on ${deviceTitle(device)}`)}\n`)
  const { maxNewTokens, temperature, topK, topP, repetitionPenalty, presencePenalty, frequencyPenalty, seed } = values
  const sampling = { temperature, topK, topP, repetitionPenalty, presencePenalty, frequencyPenalty, seed }
  const { signal, release } = interruptible(io)
  let last = ''
  try {
    for await (const { text, answer } of answerer.stream(ask, {
      ...sampling,
      maxNewTokens,
      stop: values.stop ?? [],
      signal,
    })) {
      last = text === '' ? last : text
      if (!json) io.stdout.write(text)
      if (answer && json)
        io.stdout.write(
          `${JSON.stringify({ text: answer.text, tokens: answer.ids, finishReason: answer.finishReason })}\n`,
        )
    }
  } catch (error) {
    throw signal.aborted ? new Interrupted('stopped') : error
  } finally {
    release()
    if (!json && !last.endsWith('\n')) io.stdout.write('\n')
  }
  await leave(device)
}
