// Small facts and questions about them: what the model learns to read, and what the bundled question set is made of.

const words = (/** @type {string} */ text) => text.trim().split(/\s+/)

export const names = words(`Lily Tom Tim Ben Mia Sam Max Anna Sara Lucy Jack Amy Jane Bob Leo Emma Kate Nina Ruby Rose
  Peter Mark Paul Alex Ella Zoe Dan Joe Sue Jim Ali Eva Ian Kim Liz Meg Ned Pam Ray Tina Vera Will Gina Hugo Ivan Judy Kurt Lola`)
export const colors = words('red blue green yellow black white pink brown big small new old shiny soft tiny funny')
export const things =
  words(`ball kite cup hat book doll car box bag boat drum bell spoon lamp coat shoe cake apple key coin
  flower stone stick leaf rope bike truck plane robot chair brush crown shell jar map ring pen clock mask toy`)
export const animals = words(
  'dog cat bird fish frog duck cow pig horse sheep goat bear fox lion mouse rabbit bee ant owl turtle snake hen monkey tiger',
)
export const places =
  words(`park house garden school kitchen forest beach farm lake river hill barn store library cave field
  street pond bridge yard tree tower market island zoo village castle`)
export const foods = words(
  'bread soup rice cheese milk corn honey jam fruit cookies candy pasta salad eggs nuts pizza berries carrots tea juice',
)

/** @typedef {{ fact: string, question: string, answer: string, key: string }} Fact */
/** @typedef {ReturnType<typeof import('./random.mjs').makeRandom>} Random */

/** @type {readonly { keys: readonly string[], make: (random: Random, key: string) => Omit<Fact, 'key'> }[]} */
const kinds = [
  {
    keys: names,
    make: (r, who) => {
      const what = `a ${r.pick(colors)} ${r.pick(things)}`
      return { fact: `${who} has ${what}.`, question: `What does ${who} have?`, answer: what }
    },
  },
  {
    keys: names,
    make: (r, who) => {
      const where = `the ${r.pick(places)}`
      return { fact: `${who} went to ${where}.`, question: `Where did ${who} go?`, answer: where }
    },
  },
  {
    keys: names,
    make: (r, who) => {
      const what = r.pick(foods)
      return { fact: `${who} ate ${what}.`, question: `What did ${who} eat?`, answer: what }
    },
  },
  {
    keys: animals,
    make: (r, who) => {
      const where = `the ${r.pick(places)}`
      return { fact: `The ${who} is in ${where}.`, question: `Where is the ${who}?`, answer: where }
    },
  },
  {
    keys: things,
    make: (r, what) => {
      const color = r.pick(colors)
      return { fact: `The ${what} is ${color}.`, question: `What is the ${what} like?`, answer: color }
    },
  },
]

/** `count` facts about different things, mixed in kind unless `oneKind`. @param {Random} random @param {number} count */
export function makeFacts(random, count, oneKind = false) {
  /** @type {Fact[]} */
  const facts = []
  const used = new Set()
  const only = random.pick(kinds)
  while (facts.length < count) {
    const kind = oneKind ? only : random.pick(kinds)
    const key = random.pick(kind.keys)
    if (used.has(key)) continue
    used.add(key)
    facts.push({ key, ...kind.make(random, key) })
  }
  return facts
}

export const everyWord = [...names, ...colors, ...things, ...animals, ...places, ...foods]
