// Base against tuned on documents that training never saw, and the report of it all.
import { join } from 'node:path'
import { loadRows } from '@jora/data'
import { answeringDType, weightShapes } from '@jora/llama'
import type { Device } from '@jora/tensor'
import { writeFileAtomic, writeJsonAtomic, writeLinesAtomic } from '@jora/tensor/files'
import { promptFor } from '../adapter/prompt-file'
import { loadAdapter } from '../adapter/read-adapter'
import { compareTuned, type ComparedQuestion, type Comparison } from '../answer/compare'
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

/** Asks the held-out questions, all of them or the first ones, and writes answers and report. */
export async function evaluateStage(
  context: StageContext,
  device: Device,
  earlier: EarlierFigures,
): Promise<{ figures: EvaluationFigures; compared: Comparison }> {
  const { path, model, config, outputDir, signal, onProgress, maxNewTokens = 64, evalQuestions = 200 } = context
  const all = await loadRows(path('contexts'))
  const rows = all.filter(({ split }) => split === 'test').map(({ split: _split, ...row }) => row)
  const dtype = answeringDType(config.settings.dtype, device, weightShapes(model.config).values())
  const decoder = await model.decoder(device, dtype, 'asked')
  const { template: prompt } = await promptFor({
    adapter: path('train'),
    model: model.ref.dir,
    tokenizer: model.tokenizer,
  })
  const { adapter, config: lora } = await loadAdapter(path('train'), decoder.config, device)
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
    signal,
    onProgress: (who, done, total) => onProgress?.(done, total, who),
  })
  const { base, tuned, questions } = compared
  const figures: EvaluationFigures = { questions: questions.length, base, tuned }
  await writeLinesAtomic(join(outputDir, 'answers.jsonl'), questions.map(lineOf))
  await writeFileAtomic(
    join(outputDir, 'report.md'),
    reportText(context, { ...earlier, evaluation: figures, compared: questions }),
  )
  await writeJsonAtomic(path('evaluate'), { ...earlier, evaluation: figures })
  return { figures, compared }
}
