// jora data preview: one row as the model is trained on it, and figures of the whole file.
import type { Command } from 'commander'
import {
  describeTokens,
  loadRows,
  loadTokenizer,
  prepareDataset,
  type DatasetStatistics,
  type TokenDescription,
  type Tokenizer,
} from '@jora/data'
import { loadConfig } from '@jora/llama'
import { checkDatasetFile, datasetFlag, rowFlags } from '../dataset-file'
import { UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { integer, withDefault, type ValuesOf } from '../flags/flag'
import type { Session } from '../io'
import { modelFlag, openFolder } from '../open-model'
import { count, plural } from '../ui/format'
import { styleFor, type Style } from '../ui/style'

const flags = {
  model: modelFlag,
  dataset: datasetFlag,
  index: withDefault(integer('which sample, counted from 0', 0), 0),
  ...rowFlags,
}

export function registerDataPreview(data: Command, io: Session): void {
  defineCommand(data, io, {
    name: 'preview',
    summary: 'show what the model is trained on: tokens, and which are learned',
    flags,
    examples: ['data preview --model models/llama --dataset rows.json --index 3'],
    run: preview,
  })
}

/** The text in runs of learned and masked tokens, EOS marked; brackets stand for colours where there are none. */
function paint(tokens: readonly TokenDescription[], { eosId }: Tokenizer, style: Style): string {
  const runs: { text: string; learned: boolean }[] = []
  for (const { id, text, learned } of tokens) {
    const shown = id === eosId ? style.inverse(text || '<eos>') : text
    const last = runs.at(-1)
    if (last?.learned === learned) last.text += shown
    else runs.push({ text: shown, learned })
  }
  if (!style.colours) return runs.map(({ text, learned }) => (learned ? `⟦${text}⟧` : text)).join('')
  // Line by line: pagers forget a colour at the end of a line.
  return runs
    .map(({ text, learned }) =>
      text
        .split('\n')
        .map(learned ? style.green : style.dim)
        .join('\n'),
    )
    .join('')
}

function figures({
  samples,
  contexts,
  tokens,
  targetTokens,
  dropped,
  truncated,
}: DatasetStatistics): DatasetStatistics {
  return { samples, contexts, tokens, targetTokens, dropped, truncated }
}

async function preview(values: ValuesOf<typeof flags>, { io, json }: CommandContext<typeof flags>): Promise<void> {
  await checkDatasetFile(values.dataset)
  const { dir } = await openFolder(values.model, io)
  const [rows, model, tokenizer] = [await loadRows(values.dataset), await loadConfig(dir), await loadTokenizer(dir)]
  const { promptTemplate: template, maxSeqLength, onOverflow, index } = values
  const { train: samples, statistics } = prepareDataset({
    rows,
    tokenizer,
    template,
    maxSeqLength,
    onOverflow,
    seed: 0,
    vocabSize: model.vocabSize,
  })
  const sample = samples[index]
  if (!sample)
    throw new UsageError(
      `--index: got ${index}, expected 0 to ${samples.length - 1}: ${values.dataset} has ${plural(samples.length, 'sample')}`,
    )
  const tokens = describeTokens(sample, tokenizer)
  const learned = tokens.filter((token) => token.learned).length
  if (json) {
    const shown = {
      index,
      row: sample.row,
      tokens: tokens.map(({ text }) => text),
      ids: [...sample.ids],
      labels: [...sample.labels],
      learned: tokens.map((token) => token.learned),
      statistics: figures(statistics),
    }
    io.stdout.write(`${JSON.stringify(shown)}\n`)
    return
  }
  const style = styleFor(io.stdout, io.env)
  const legend = style.colours ? `${style.green('learned')} ${style.dim('masked')}` : '⟦learned⟧ masked'
  const dropNotes = [
    statistics.dropped > 0 ? `${count(statistics.dropped)} dropped` : '',
    statistics.truncated > 0 ? `${count(statistics.truncated)} truncated` : '',
  ].filter(Boolean)
  const lines = [
    `${style.bold(`row ${sample.row}`)} of ${count(rows.length)}  ${plural(tokens.length, 'token')}, ${count(learned)} learned  ${legend}`,
    '',
    paint(tokens, tokenizer, style),
    '',
    `${style.bold(values.dataset)}  ${plural(statistics.samples, 'sample')}, ${plural(statistics.contexts, 'context')}, ${plural(statistics.tokens, 'token')}, ${count(statistics.targetTokens)} learned${dropNotes.length > 0 ? `, ${dropNotes.join(', ')}` : ''}`,
  ]
  io.stdout.write(`${lines.join('\n')}\n`)
}
