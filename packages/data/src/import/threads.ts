// Whom does a post answer? Reply links of forums and chats, as questions on windows of posts.

import type { ContextQuestion, Row } from '../rows/row-formats'
import { onlyFile, type Imported, type ImportOptions, type InputFiles } from './imported'
import { readIrc, readThreads, isIrcFile, type Thread } from './thread-files'
import { findCycles, linkProblem, type AskedPost } from './thread-links'

/**
 * Rows cover 2·window posts and begin every `window` posts, so that neighbours of a post share its context: a row asks about
 * its second half (the first row about all of its posts), and a question sees the posts up to the one it asks about, which
 * are the window at least.
 */
export function importThreads(files: InputFiles, options: ImportOptions): Imported {
  const { window = 50, includeStarts = true } = options
  const imported: Imported = { rows: [], refused: [], read: 0 }
  const { file, text } = onlyFile(files)
  const threads = isIrcFile(file) ? readIrc(files, imported) : readThreads(text, file)
  for (const thread of threads) {
    const places = new Map(thread.posts.map(({ id }, place) => [id, place]))
    const cycles = findCycles(thread.asked)
    const good: AskedPost[] = []
    for (const post of thread.asked) {
      if (!includeStarts && post.answers.length === 0 && thread.broken === undefined) continue
      imported.read++
      const reason = thread.broken ?? linkProblem(post, places, cycles, window)
      if (reason === undefined) good.push(post)
      else imported.refused.push({ file: thread.file, row: post.row, id: `${thread.name}#${post.id}`, reason })
    }
    for (const row of windowRows(thread, good, places, window)) imported.rows.push(row)
  }
  return imported
}

function windowRows(
  { name, posts }: Thread,
  asked: readonly AskedPost[],
  places: ReadonlyMap<string, number>,
  window: number,
): Row[] {
  const questionsFrom = new Map<number, ContextQuestion[]>()
  for (const { id, answers } of asked) {
    const place = places.get(id)!
    const start = Math.max(0, Math.floor(place / window) - 1) * window
    const targets = [...new Set(answers)]
      .filter((target) => places.get(target)! >= start)
      .sort((a, b) => places.get(b)! - places.get(a)!)
    const right =
      targets.length === 0 ? [`#${id} starts a conversation`] : targets.map((target) => `#${id} answers #${target}`)
    const questions = questionsFrom.get(start) ?? []
    questionsFrom.set(start, questions)
    questions.push({
      id: `${name}#${id}`,
      question: `Which post is "${posts[place]!.text}", and which does it answer?`,
      answer: right[0]!,
      answers: right,
      documents: place - start + 1,
      golden: targets,
    })
  }
  return [...questionsFrom].map(([start, questions]) => ({
    context: posts.slice(start, start + 2 * window).map(({ id, text }) => ({ id, text: `#${id} ${text}` })),
    questions,
    metric: 'reply' as const,
  }))
}
