// jora learn: from a folder of documents to a model that answers from them, in one command that goes on where it stopped.
import type { Command } from 'commander'
import { join } from 'node:path'
import { columnsOf, JoraConfig, learnUntil, planLearning, type Learned, type LearnOptions } from '@jora/lora'
import { fromNames, settings } from '@jora/lora/settings'
import type { Device } from '@jora/tensor'
import { openDrafter } from '../../drafter'
import { Interrupted, UsageError } from '../../errors'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import type { ValuesOf } from '../../flags/flag'
import { interruptible } from '../../interrupt'
import type { Session } from '../../io'
import { openRunDevice } from '../../open-device'
import { openBase } from '../../open-base'
import { tellSkipped } from '../../reading'
import { withRetriever } from '../../retrieval'
import { shellWord } from '../../ui/format'
import { LearnDisplay, planLines, resultLines } from '../../ui/learn-display'
import { program } from '../../ui/next-command'
import { asUsageError } from '../train-settings'
import { learnFlags } from './flags'

type Values = ValuesOf<typeof learnFlags>

export function registerLearn(parent: Command, io: Session): void {
  defineCommand(parent, io, {
    name: 'learn',
    flags: learnFlags,
    argument: { name: 'documents', help: 'a folder of PDF, Word, HTML, Markdown, text, tables, …, or one such file' },
    examples: [
      'learn handbook --model models/llama --output-dir out --drafter-url http://127.0.0.1:8000/v1 --drafter-model qwen3',
      'learn handbook --model models/llama --output-dir out --questions questions.jsonl --dry-run',
    ],
    run: learnCommand,
  })
}

/** The settings that were given, as a run has them. @throws UsageError for settings that cannot be */
function configOf(values: Values, given: ReadonlySet<keyof typeof learnFlags>): JoraConfig {
  // The columns are those of --questions, not of the contexts that are trained on.
  const chosen = Object.fromEntries(
    Object.entries(values).filter(([name]) => name !== 'columns' && given.has(name as keyof Values)),
  )
  try {
    return new JoraConfig({ ...fromNames(settings, chosen), recipe: values.recipe, modelPath: values.model })
  } catch (error) {
    throw asUsageError(error)
  }
}

const isWhole = (learned: Partial<Learned>): learned is Learned => learned.evaluation !== undefined

async function learnCommand(
  values: Values,
  { io, given, json, argument: documents }: CommandContext<typeof learnFlags>,
): Promise<void> {
  const { outputDir, chunkTokens, chunkOverlap: overlapTokens, drafterModel } = values
  if (overlapTokens >= chunkTokens)
    throw new UsageError(
      `--chunk-overlap: got ${overlapTokens}, expected less than the ${chunkTokens} of --chunk-tokens`,
    )
  if (values.questions !== undefined && drafterModel !== undefined)
    throw new UsageError('--questions and --drafter-model exclude each other')
  if (values.columns !== undefined && values.questions === undefined)
    throw new UsageError('--columns is of --questions, which is not given')
  const config = configOf(values, given)
  await using base = await openBase(values.model, io, config.settings.quantize)
  const display = new LearnDisplay(io)
  const { signal, release } = interruptible(io, () => display.stopping())
  let device: Device | undefined
  const options: LearnOptions = {
    documents,
    model: base,
    config,
    outputDir,
    questions: values.questions,
    columns: columnsOf(values.columns),
    ...(drafterModel === undefined ? {} : { openDrafter: () => openDrafter(values, io, display.line) }),
    drafting: {
      perChunk: values.perPassage,
      maxQuestions: values.maxQuestions,
      unanswerable: values.unanswerable,
      check: values.draftCheck,
      concurrency: values.concurrency,
    },
    raft: {
      chunkTokens,
      overlapTokens,
      tableFormat: values.tableFormat,
      distractors: values.distractors,
      goldenProbability: values.goldenProbability,
    },
    ...(values.retriever !== 'bm25' && {
      retriever: {
        name: `${values.retriever} ${values.embedder ?? ''}`,
        use: (build) => withRetriever({ ...values, signal }, documents, io, build),
      },
    }),
    openDevice: async () => (device = await openRunDevice({ ...values, mesh: 'data=1,model=1' }, io)),
    maxNewTokens: values.maxNewTokens,
    evalQuestions: values.evalQuestions,
    signal,
    onStage: (stage, state) => display.stage(stage, state),
    onProgress: (done, total, what, earlier) => display.progress(done, total, what, earlier),
    onTrain: (event) => display.train(event),
  }
  try {
    if (values.dryRun) {
      const plan = await planLearning(options)
      display.close()
      tellSkipped(plan.documents.skipped, io)
      for (const line of planLines(plan, display.style)) display.log(line)
      if (json) io.stdout.write(`${JSON.stringify(plan)}\n`)
      return
    }
    const learned = await learnUntil(values.until, options)
    display.close()
    tellSkipped(learned.documents.skipped, io)
    if (isWhole(learned)) for (const line of resultLines(learned, display.style)) display.log(line)
    if (json) {
      const { comparison: _comparison, ...figures } = learned
      io.stdout.write(`${JSON.stringify(figures)}\n`)
      return
    }
    if (!isWhole(learned)) {
      display.log(`\nDone as far as --until ${values.until}; the same command without it goes on.`)
      return
    }
    const adapter = `--adapter ${shellWord(join(outputDir, 'adapter'))}`
    display.log(
      `\nThe report is in ${display.style.bold(join(outputDir, 'report.md'))}, every answer in ${join(outputDir, 'answers.jsonl')}. Next:`,
    )
    for (const next of [
      `chat ${adapter} --documents ${shellWord(documents)}`,
      `serve ${adapter} --documents ${shellWord(documents)}`,
      `export --format gguf-lora --model ${shellWord(values.model)} ${adapter} --output ${shellWord(join(outputDir, 'adapter.gguf'))}`,
      ...(values.questions === undefined
        ? [`data review --questions ${shellWord(join(outputDir, 'questions.jsonl'))}`]
        : []),
    ])
      display.log(`  ${display.style.cyan(`${program(io)} ${next}`)}`)
  } catch (error) {
    if (!signal.aborted) throw error
    display.log('stopped; the same command goes on from there')
    throw new Interrupted('stopped')
  } finally {
    release()
    display.close()
    await device?.close()
  }
}
