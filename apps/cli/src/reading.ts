// Reading documents for a command: how they are cut, how far it is, what was skipped.
import { tableFormats, type SkippedDocument } from '@jora/data'
import { choice, grouped, integer, withDefault } from './flags/flag'
import type { Io } from './io'
import { count, duration, plural } from './ui/format'
import { bar, type StatusLine } from './ui/status-line'
import { styleFor, type Style } from './ui/style'

export const chunkFlags = grouped('Documents:', {
  chunkTokens: withDefault(integer('longest document of a context, in tokens; longer ones are split', 16), 256),
  chunkOverlap: withDefault(integer('tokens that a part of a text repeats from the end of the previous one', 0), 0),
  tableFormat: withDefault(choice('how a table is written', tableFormats), 'markdown'),
})

/** Told how many items of a stage are done, of how many, and how many of these an earlier call did. */
type StageProgress = (done: number, total: number, stage: string, earlier?: number) => void

/** Shows how far a stage is and how long it will take: on a terminal as it goes, in a log every ten seconds. */
export function stageProgress(line: StatusLine, style: Style): StageProgress {
  let [current, started, shown, before] = ['', 0, 0, 0]
  return (done, total, stage, earlier = 0) => {
    const now = performance.now()
    if (stage !== current) [current, started, shown, before] = [stage, now, 0, 0]
    if (earlier > before) [started, before] = [now, earlier]
    // The last one of those, which is followed by what is done now.
    if (before > 0 && (done === before + 1 || (done === total && before === total)))
      line.log(`${stage}: ${count(before)} of ${count(total)} done before`)
    if (now - shown < 100 && done < total) return
    shown = now
    const seconds = (now - started) / 1000
    const left =
      done < total && done > before && seconds > 2
        ? `, ${duration((seconds / (done - before)) * (total - done))} left`
        : ''
    const at = `${stage} ${count(done)}/${count(total)}${left}`
    line.show(`${bar(done / total, 24, style)}  ${at}`, at)
  }
}

/** Files and rows that gave no document, by reason. */
export function tellSkipped(skipped: readonly SkippedDocument[], io: Io): void {
  if (skipped.length === 0) return
  const { yellow } = styleFor(io.stderr, io.env)
  const byReason = new Map<string, SkippedDocument[]>()
  for (const each of skipped) byReason.set(each.reason, [...(byReason.get(each.reason) ?? []), each])
  const lines = [...byReason].map(([reason, all]) => {
    const names = all.slice(0, 3).map(({ file, row }) => (row === undefined ? file : `${file}: row ${row}`))
    const more = all.length > names.length ? ` and ${count(all.length - names.length)} more` : ''
    return `  ${count(all.length)} × ${reason}: ${names.join(', ')}${more}\n`
  })
  io.stderr.write(`${yellow('skipped')} ${plural(skipped.length, 'file or row', 'files or rows')}\n${lines.join('')}`)
}
