// The curriculum's tasks: each fills a row of ids and says which tokens are learned.
import { inventedName, inventedWord, makeDocuments } from './documents.mjs'
import { makeFacts } from './facts.mjs'

/** @typedef {ReturnType<typeof import('./random.mjs').makeRandom>} Random */
/** @typedef {{ encode(text: string): number[], words: readonly number[], text: Int32Array, vocabulary: readonly string[] }} Context words: ids usable as arbitrary symbols; vocabulary: words of the stories */
/** @typedef {(random: Random, length: number, context: Context) => { ids: number[], learned: boolean[] }} Task */

class Row {
  /** @type {number[]} */ ids = [1]
  /** @type {boolean[]} */ learned = [false]
  /** @param {readonly number[]} ids */
  add(ids, learned = false) {
    for (const id of ids) {
      this.ids.push(id)
      this.learned.push(learned)
    }
    return this
  }
}

/** A random sequence over and over: learned from its second time on. @type {Task} */
export const repeat = (random, length, { words }) => {
  const row = new Row()
  const unit = Array.from({ length: 4 + random.below(Math.floor(length / 3)) }, () => random.pick(words))
  for (let time = 0; row.ids.length < length; time++) row.add(unit, time > 0)
  return row
}

/** Pairs `key … value …`, then keys in another order, each value learned. @param {(random: Random, context: Context) => { between: number[], after: number[], ask: number[], answer: number[] }} style @returns {Task} */
const pairs = (style) => (random, length, context) => {
  const row = new Row()
  const { between, after, ask, answer } = style(random, context)
  const wide = 1 + random.below(2)
  const perPair = 2 * (1 + wide) + between.length + after.length + ask.length + answer.length
  const count = Math.max(2, Math.min(12, Math.floor((length - 1) / perPair)))
  const keys = random.sample(context.words, count)
  const values = keys.map(() => Array.from({ length: wide }, () => random.pick(context.words)))
  keys.forEach((key, i) => row.add([key, ...between, .../** @type {number[]} */ (values[i]), ...after]))
  while (row.ids.length < length) {
    for (const i of random.sample([...keys.keys()], count)) {
      row.add([...ask, /** @type {number} */ (keys[i]), ...answer]).add(/** @type {number[]} */ (values[i]), true)
    }
  }
  return row
}

const none = () => ({ between: [], after: [], ask: [], answer: [] })
/** Up to `most` arbitrary symbols. @param {Random} random @param {Context} context @param {number} most */
const some = (random, { words }, most) => Array.from({ length: random.below(most + 1) }, () => random.pick(words))

/** `k v k v … k v`. */
export const recall = pairs(none)
/** `k : v ; … ? k => v`, the marks drawn anew for every row. */
export const recallMarked = pairs((random, context) => ({
  between: some(random, context, 2),
  after: some(random, context, 1),
  ask: some(random, context, 1),
  answer: some(random, context, 1),
}))
/** The same with up to five symbols between a key and its answer. */
export const recallFar = pairs((random, context) => ({
  between: some(random, context, 3),
  after: some(random, context, 2),
  ask: some(random, context, 3),
  answer: some(random, context, 5),
}))

/**
 * Facts in plain English, then questions with learned answers, as `Question? answer.` or with a few symbols between.
 * @param {{ oneKind: boolean, gap: number }} options @returns {Task}
 */
export const reading =
  ({ oneKind, gap }) =>
  (random, length, context) => {
    const row = new Row()
    while (row.ids.length < length) {
      const facts = makeFacts(random, 2 + random.below(4), oneKind)
      row.add(context.encode(facts.map((f) => f.fact).join(' ')))
      const filler = some(random, context, gap)
      for (const { question, answer } of random.sample(facts, facts.length)) {
        row
          .add(context.encode(question))
          .add(filler)
          .add(context.encode(`${answer}.`), true)
      }
    }
    return row
  }

const marks = ['\n', '\n\n', '\n\n', '\n', ':', '#', '##', '###', '*', '-', '=', '>', '|', '/', '"']
const labels = [
  'Question',
  'Q',
  'A',
  'Answer',
  'Text',
  'Story',
  'Task',
  'Read',
  'Fact',
  'Note',
  'Response',
  'Input',
  'Say',
  'Name',
  'Page',
]

/** A heading such as `\n\n## Text:\n`, never the same twice running. @param {Random} random */
function heading(random) {
  const parts = Array.from({ length: random.below(3) }, () => random.pick(marks))
  if (random.next() < 0.7) parts.push(` ${random.pick(labels)}${random.next() < 0.7 ? ':' : ''}`)
  for (let i = random.below(3); i > 0; i--) parts.push(random.pick(marks))
  return parts.join('')
}

/**
 * Facts, question and answer set under headings drawn anew, as text from everywhere looks: the answer goes on with a full
 * stop and more text; only the end of the whole exercise is an end of sequence.
 * @type {Task}
 */
export const layouts = (random, length, context) => {
  const row = new Row()
  const encode = (/** @type {string} */ text) => context.encode(text)
  while (row.ids.length < length) {
    const [title, ask, reply] = [heading(random), heading(random), heading(random)]
    if (random.next() < 0.6) {
      const from = random.below(context.text.length - 60)
      row.add([...context.text.subarray(from, from + random.below(40))])
    }
    const facts = makeFacts(random, 2 + random.below(4))
    row.add(encode(`${title}${facts.map((f) => f.fact).join(' ')}`))
    for (const { question, answer } of random.sample(facts, 1 + random.below(facts.length))) {
      row.add(encode(`${ask}${question}${reply}`)).add(encode(`${answer}.`), true)
    }
    row.add([2], true).add([1])
  }
  return row
}

/** Invented words, then the same again: names are copied piece by piece. @type {Task} */
export const spelled = (random, length, { encode }) => {
  const row = new Row()
  while (row.ids.length < length) {
    const list = Array.from({ length: 3 + random.below(6) }, () => inventedName(random))
    const between = random.pick([', ', ' ', '\n', '. '])
    row.add(encode(list.join(between)))
    row.add(encode(random.pick(['\n', '. Again: ', ' = ', '. So ']))).add(encode(list.join(between)), true)
    row.add(encode(`. ${inventedWord(random)} `))
  }
  return row
}

const wrappers = [
  (/** @type {string} */ text) => `<DOCUMENT>${text}</DOCUMENT>\n`,
  (/** @type {string} */ text) => `${text}\n`,
  (/** @type {string} */ text) => `${text} `,
  (/** @type {string} */ text) => `- ${text}\n\n`,
]

/** Documents, then questions on them with short answers, under JORA's headings for contexts or others. @type {Task} */
export const documents = (random, length, { encode, vocabulary }) => {
  const row = new Row()
  while (row.ids.length < length) {
    const [title, ask, reply] =
      random.next() < 0.4
        ? ['### Context:\n', '\n### Question:\n', '\n\n### Answer:\n']
        : [heading(random), heading(random), heading(random)]
    const wrap = random.pick(wrappers)
    const { texts, facts } = makeDocuments(random, 4, vocabulary)
    row.add(encode(title))
    for (const text of texts) row.add(encode(wrap(text)))
    for (const { question, answer } of random.sample(facts, Math.min(facts.length, 1 + random.below(6)))) {
      row.add(encode(`${ask}${question}${reply}`)).add(encode(`${answer}.`), true)
    }
    row.add([2], true).add([1])
  }
  return row
}

/** Plain stories: every token learned. @type {Task} */
export const stories = (random, length, { text }) => {
  const from = random.below(text.length - length)
  return new Row().add([...text.subarray(from, from + length)], true)
}
