// Base against tuned on documents that training never saw, and the report of it all.
import { join } from 'node:path'
import { loadRows, WorkFolder } from '@jora/data'
import { answeringDType, weightShapes } from '@jora/llama'
import type { Device } from '@jora/tensor'
import { writeFileAtomic, writeJsonAtomic, writeLinesAtomic } from '@jora/tensor/files'
import { baseWeights } from '../adapter/loftq/files'
import { baseAsTrained, promptFor } from '../adapter/prompt-file'
import { loadAdapter } from '../adapter/read-adapter'
import { compareTuned, type ComparedQuestion, type Comparison } from '../answer/compare'
import type { KeptAnswer } from '../answer/scored'
import type { EarlierFigures, EvaluationFigures, StageContext } from './options'
import { reportText } from './report'

const lineOf = ({ asked: { row, id, text, answers, grounds }, base, tuned }: ComparedQuestion): string =>
  `${JSON.stringify({
    row,
    id,
    question: text,
    answers,
    ...(grounds?.unanswerable ? { unanswerable: true } : {}),
    base: { answer: base.prediction, ...base.score },
    tuned: { answer: tuned.prediction, ...tuned.score },
  })}\n`

/** What is evaluated: what answers kept by an earlier call must be of, and what the stages before came to. */
interface Evaluated {
  readonly key: string
  readonly earlier: EarlierFigures
}

/**
 * Asks the held-out questions, all of them or the first ones, and writes answers and report. Questions that a call before, which
 * was stopped, has answers to are not asked again.
 */
export async function evaluateStage(
  context: StageContext,
  device: Device,
  { key, earlier }: Evaluated,
): Promise<{ figures: EvaluationFigures; compared: Comparison }> {
  const { path, model: open, config, outputDir, signal, onProgress, maxNewTokens = 64, evalQuestions = 200 } = context
  // Base and tuned read the same documents, with the same positions.
  const model = await baseAsTrained(open, path('train'))
  const all = await loadRows(path('contexts'))
  const rows = all.filter(({ split }) => split === 'test').map(({ split: _split, ...row }) => row)
  const dtype = answeringDType(config.settings.dtype, device, weightShapes(model.config).values())
  const decoder = await model.decoder(device, dtype, 'asked', await baseWeights(path('train'), model))
  const { template: prompt } = await promptFor({
    adapter: path('train'),
    model: model.ref.dir,
    tokenizer: model.tokenizer,
  })
  const { adapter, config: lora } = await loadAdapter(path('train'), decoder.config, device)
  const work = await WorkFolder.open(path('evaluate'), key)
  const kept = { base: work.stage<KeptAnswer>('base'), tuned: work.stage<KeptAnswer>('tuned') }
  const compared = await compareTuned({
    decoder,
    device,
    tokenizer: model.tokenizer,
    prompt,
    adapter,
    lora,
    rows,
    limit: evalQuestions,
    maxNewTokens,
    kept,
    signal,
    onProgress: (who, done, total, before) => onProgress?.(done, total, who, before),
  }).finally(() => work.close())
  const { base, tuned, questions } = compared
  const figures: EvaluationFigures = { questions: questions.length, base, tuned }
  await writeLinesAtomic(join(outputDir, 'answers.jsonl'), questions.map(lineOf))
  await writeFileAtomic(
    join(outputDir, 'report.md'),
    reportText(context, { ...earlier, evaluation: figures, compared: questions }),
  )
  await writeJsonAtomic(path('evaluate'), { ...earlier, evaluation: figures })
  await work.remove()
  return { figures, compared }
}
