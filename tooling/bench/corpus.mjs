// Documents and questions of any size, made up: a passage is a paragraph of about a kilobyte, ten of them a document; its words are
// drawn by Zipf's law, and one sentence of it answers a question.
import { Random } from '@jora/data'

/**
 * Words that are drawn by Zipf's law: rank r comes about 1/r as often as the first.
 * @param {Random} random
 */
export function wordsOf(random) {
  /** @param {number} length */
  const letters = (length) =>
    Array.from(
      { length },
      (_, i) => (i % 2 === 0 ? 'bcdfghklmnprstvz' : 'aeiou')[random.below(i % 2 === 0 ? 16 : 5)],
    ).join('')
  const words = Array.from({ length: 50_000 }, () => letters(2 + random.below(9)))
  return { letters, word: () => words[Math.floor(words.length ** (random.below(2 ** 30) / 2 ** 30)) - 1] ?? words[0] }
}

/**
 * One document after the other, with the questions on it.
 * @param {{ passages: number, questions: number, perDocument?: number, seed?: number }} options
 */
export function* corpusOf({ passages, questions: questionCount, perDocument = 10, seed = 1 }) {
  const random = new Random(seed)
  const { letters, word } = wordsOf(random)
  const sentence = () => {
    const text = Array.from({ length: 8 + random.below(12) }, word).join(' ')
    return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
  }
  let asked = 0
  for (let d = 0; d < passages / perDocument; d++) {
    /** @type {{ question: string, answer: string }[]} */
    const questions = []
    const paragraphs = Array.from({ length: perDocument }, (_, p) => {
      const said = Array.from({ length: 9 }, sentence)
      const [place, name] = [`${letters(7)}${d}`, `${letters(9)} ${letters(6)}`]
      const known = [word(), word(), word()].join(' ')
      const number = d * perDocument + p
      if (number % Math.max(1, Math.floor(passages / questionCount)) === 0 && asked < questionCount) {
        questions.push({ question: `Who is the keeper of ${place}, known for ${known}?`, answer: name })
        asked++
      }
      return [...said, `The keeper of ${place}, known for ${known}, is ${name}.`].join(' ')
    })
    yield { document: { id: `d${d}`, text: paragraphs.join('\n\n') }, questions }
  }
}

/** All of {@link corpusOf} at once. @param {Parameters<typeof corpusOf>[0]} options */
export function makeCorpus(options) {
  const made = [...corpusOf(options)]
  const documents = made.map(({ document }) => document)
  return {
    documents,
    questions: made.flatMap(({ questions }) => questions),
    characters: documents.reduce((sum, { text }) => sum + text.length, 0),
  }
}
