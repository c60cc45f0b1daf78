// Records of invented places and people, and documents that hold them: what the model learns to look names up in.
import { foods, colors, makeFacts } from './facts.mjs'

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

const attributes =
  `song river king queen flag number leader winner price color bird dish teacher owner doctor captain road bridge hill boat
  month year age size book friend lake mountain school team market animal flower king game story door house street name`.split(
    /\s+/,
  )
const verbs = 'like eat grow sell make love play see read sing know visit'.split(' ')

/** @param {Random} random */
function value(random) {
  const kind = random.next()
  if (kind < 0.5) return inventedName(random)
  if (kind < 0.65) return String(random.below(10 ** (1 + random.below(4))))
  if (kind < 0.75) return `${inventedWord(random)} and ${inventedWord(random)}`
  return random.pick(random.next() < 0.5 ? foods : colors)
}

/** Facts about one invented name. @param {Random} random @param {number} count */
function record(random, count) {
  const name = inventedName(random)
  const [of, verb] = [random.sample(attributes, count), random.sample(verbs, count)]
  const article = () => (random.next() < 0.2 ? 'the ' : '')
  return Array.from({ length: count }, (_, i) => {
    const what = `${article()}${value(random)}`
    const kind = random.next()
    if (kind < 0.6)
      return { fact: `The ${of[i]} of ${name} is ${what}.`, question: `What is the ${of[i]} of ${name}?`, answer: what }
    if (kind < 0.8)
      return {
        fact: `People in ${name} ${verb[i]} ${what}.`,
        question: `What do people in ${name} ${verb[i]}?`,
        answer: what,
      }
    const where = inventedName(random)
    return { fact: `${name} is in ${where}.`, question: `Where is ${name}?`, answer: where }
  }).filter((f, i, all) => all.findIndex((other) => other.question === f.question) === i)
}

/**
 * Documents, each with facts about one thing, and questions across them.
 * @param {Random} random @param {number} most documents
 */
export function makeDocuments(random, most) {
  const documents = Array.from({ length: 1 + random.below(most) }, () =>
    random.next() < 0.15 ? makeFacts(random, 2 + random.below(3)) : record(random, 2 + random.below(4)),
  )
  return { texts: documents.map((facts) => facts.map((f) => f.fact).join(' ')), facts: documents.flat() }
}
