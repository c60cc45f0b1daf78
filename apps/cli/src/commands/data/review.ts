// jora data review: drafts one by one, to accept, edit or reject, in the terminal.
import type { Command } from 'commander'
import { draftLine, parseDrafts, readText, type Draft } from '@jora/data'
import { writeLinesAtomic } from '@jora/tensor/files'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { required, text, toggle, type ValuesOf } from '../../flags/flag'
import { interruptible } from '../../interrupt'
import type { Session } from '../../io'
import { count, plural } from '../../ui/format'
import { styleFor, type Style } from '../../ui/style'

const flags = {
  questions: required(text('drafts of `jora data draft`; decisions are written into it', 'FILE')),
  all: toggle('those that were reviewed already, too'),
  rejected: toggle('those that the checks rejected, too'),
}

export function registerDataReview(data: Command, io: Session): void {
  defineCommand(data, io, {
    name: 'review',
    flags,
    examples: ['data review --questions questions.jsonl'],
    run: review,
  })
}

const keys = 'a accept · r reject · q TEXT new question · n TEXT new answer · s skip · b back · x end'

async function review(values: ValuesOf<typeof flags>, { io, json }: CommandContext<typeof flags>): Promise<void> {
  const { questions: file, all, rejected } = values
  const drafts = parseDrafts(await readText(file), file)
  const style = styleFor(io.stderr, io.env)
  const open = [...drafts.keys()].filter((i) => {
    const { by, decision } = drafts[i]!
    return (all || by === 'checks') && (rejected || all || decision === 'accepted')
  })
  const tell = (line: string) => io.stderr.write(`${line}\n`)
  const save = () => writeLinesAtomic(file, drafts.map(draftLine))
  let [at, decided] = [0, 0]
  const show = () => {
    if (at < open.length) for (const line of draftCard(drafts[open[at]!]!, at + 1, open.length, style)) tell(line)
  }
  /** @returns whether it goes on */
  const take = async (typed: string): Promise<boolean> => {
    const [, key = '', rest = ''] = /^\s*(\w?)\S*\s*(.*?)\s*$/.exec(typed) ?? []
    const draft = drafts[open[at]!]!
    if (key === 'x') return false
    if (key === 'b') at = Math.max(0, at - 1)
    else if (key === 's') at++
    else if (key === 'a' || key === 'r') {
      const { reason: _reason, ...kept } = draft
      drafts[open[at]!] = {
        ...kept,
        decision: key === 'a' ? 'accepted' : 'rejected',
        by: 'reviewer',
        ...(key === 'r' && rest !== '' ? { reason: rest } : {}),
      }
      decided++
      at++
      await save()
    } else if ((key === 'q' || key === 'n') && rest !== '') {
      if (key === 'n' && draft.kind === 'unanswerable') tell('it has no answer: the passage does not answer it')
      else drafts[open[at]!] = key === 'q' ? { ...draft, question: rest } : { ...draft, answer: rest }
    } else tell(style.dim(keys))
    show()
    return at < open.length
  }
  const { signal, release } = interruptible(io)
  tell(`${plural(open.length, 'draft')} to review, of ${count(drafts.length)} in ${file}`)
  if (open.length > 0) tell(style.dim(keys))
  show()
  try {
    if (open.length > 0) for await (const typed of io.readLines('> ', signal)) if (!(await take(typed))) break
  } finally {
    release()
  }
  const left = Math.max(0, open.length - at)
  tell(`${plural(decided, 'decision')} written${left > 0 ? `, ${count(left)} left` : ''}`)
  if (json) io.stdout.write(`${JSON.stringify({ questions: file, decided, left })}\n`)
}

function draftCard(
  { kind, question, answer, quote, chunk, decision, reason }: Draft,
  n: number,
  of: number,
  style: Style,
): string[] {
  return [
    '',
    `${style.dim(`${n}/${of}  ${kind}  ${chunk}`)}${decision === 'rejected' ? style.yellow(`  rejected: ${reason ?? ''}`) : ''}`,
    style.bold(question),
    answer === undefined ? style.dim('no answer in the passage') : `= ${answer}`,
    ...(quote === undefined || quote === answer ? [] : [style.dim(`“${quote}”`)]),
  ]
}
