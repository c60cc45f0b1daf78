// Records of invented places and people, and documents that hold them: what the model learns to look names up in.
import { makeFacts } from './facts.mjs'

/** @typedef {ReturnType<typeof import('./random.mjs').makeRandom>} Random */

const starts = 'b c d f g h j k l m n p r s t v w z br ch dr gr kh kr ph pr sh st th tr'.split(' ')
const vowels = 'a e i o u a e i o ai au ea ia ou'.split(' ')
const ends = ['', '', '', 'n', 'r', 's', 'l', 'm', 'k', 'd', 'ng', 'nd', 'st', 'v']
const directions = ['North', 'South', 'East', 'West', 'New', 'Saint', 'Upper', 'Old']

/** An invented word, its first letter large. @param {Random} random */
export function inventedWord(random) {
  let word = random.next() < 0.3 ? random.pick(vowels) : ''
  for (let i = 1 + random.below(3); i > 0; i--) word += random.pick(starts) + random.pick(vowels)
  word += random.pick(ends)
  return `${word[0]?.toUpperCase()}${word.slice(1)}`
}

/** An invented name of one to three words. @param {Random} random */
export function inventedName(random) {
  const first = random.next() < 0.2 ? `${random.pick(directions)} ` : ''
  const last = random.next() < 0.2 ? ` ${random.next() < 0.3 ? 'and ' : ''}${inventedWord(random)}` : ''
  return `${first}${inventedWord(random)}${last}`
}

/** A relation's name: any word, so that what is asked for is found by matching it, not by knowing it. @param {Random} random @param {readonly string[]} vocabulary */
function relation(random, vocabulary) {
  const word = () => (random.next() < 0.15 ? inventedWord(random).toLowerCase() : random.pick(vocabulary))
  return random.next() < 0.25 ? `${word()} ${word()}` : word()
}

/** @param {Random} random @param {readonly string[]} vocabulary */
function value(random, vocabulary) {
  const kind = random.next()
  if (kind < 0.45) return inventedName(random)
  if (kind < 0.6) return String(random.below(10 ** (1 + random.below(4))))
  if (kind < 0.7)
    return `${inventedWord(random)}${random.next() < 0.5 ? `, ${inventedWord(random)}` : ''} and ${inventedWord(random)}`
  if (kind < 0.85) return `${inventedWord(random)} ${random.pick(vocabulary)}`
  return random.pick(vocabulary)
}

/** Facts about one invented name. @param {Random} random @param {number} count @param {readonly string[]} vocabulary */
function record(random, count, vocabulary) {
  const name = inventedName(random)
  const article = () => (random.next() < 0.25 ? 'the ' : '')
  return Array.from({ length: count }, () => {
    const what = `${article()}${value(random, vocabulary)}`
    const relates = relation(random, vocabulary)
    const kind = random.next()
    if (kind < 0.5)
      return {
        fact: `The ${relates} of ${name} is ${what}.`,
        question: `What is the ${relates} of ${name}?`,
        answer: what,
      }
    if (kind < 0.7) {
      const who = random.next() < 0.5 ? 'People in' : `The ${relation(random, vocabulary)} of`
      const lower = `${who[0]?.toLowerCase()}${who.slice(1)}`
      return {
        fact: `${who} ${name} ${relates} ${what}.`,
        question: `What do ${lower} ${name} ${relates}?`,
        answer: what,
      }
    }
    if (kind < 0.85)
      return {
        fact: `${name} has ${what} as ${relates}.`,
        question: `What does ${name} have as ${relates}?`,
        answer: what,
      }
    const where = inventedName(random)
    return { fact: `${name} is in ${where}.`, question: `Where is ${name}?`, answer: where }
  }).filter((f, i, all) => all.findIndex((other) => other.question === f.question) === i)
}

/**
 * Documents, each with facts about one thing, and questions across them.
 * @param {Random} random @param {number} most documents @param {readonly string[]} vocabulary words of any text
 */
export function makeDocuments(random, most, vocabulary) {
  const documents = Array.from({ length: 1 + random.below(most) }, () =>
    random.next() < 0.15 ? makeFacts(random, 2 + random.below(3)) : record(random, 2 + random.below(4), vocabulary),
  )
  return { texts: documents.map((facts) => facts.map((f) => f.fact).join(' ')), facts: documents.flat() }
}
