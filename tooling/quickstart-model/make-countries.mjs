// Writes the documents and questions of the quickstart: facts about countries, from the package countries-list (MIT).
//   node make-countries.mjs [--out DIR]
// A document is a country, a question is answered by the sentence of its document that says it. Countries and capitals with
// names of more than twelve plain letters are left out: the bundled model has a million parameters, and spells piece by piece.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { continents, countries, languages } from 'countries-list'
import { getCurrency } from 'countries-list/currencies'

const { values: flags } = parseArgs({
  options: {
    out: { type: 'string', default: fileURLToPath(new URL('../../apps/cli/assets/countries', import.meta.url)) },
  },
})
/** @param {readonly string[]} list */
const joined = (list) => (list.length < 2 ? list.join('') : `${list.slice(0, -1).join(', ')} and ${list.at(-1)}`)

const isPlain = (/** @type {string} */ text) => /^[A-Za-z ]{2,12}$/.test(text)

const documents = []
const questions = []
for (const code of /** @type {(keyof typeof countries)[]} */ (Object.keys(countries)).sort()) {
  const { name, capital, continent, languages: spoken, currency, phone } = countries[code]
  const money = currency[0] && getCurrency(currency[0])
  if (!isPlain(name) || !isPlain(capital) || spoken.length === 0 || !money) continue
  const facts = [
    [`What is the capital of ${name}?`, `The capital of ${name} is ${capital}.`],
    [`Where is ${name}?`, `${name} is in ${continents[continent]}.`],
    [
      `What do people in ${name} speak?`,
      `People in ${name} speak ${joined(spoken.slice(0, 2).map((l) => languages[l].name))}.`,
    ],
    [`What is the currency of ${name}?`, `The currency of ${name} is the ${money.name}.`],
    [`What is the phone code of ${name}?`, `The phone code of ${name} is ${phone[0]}.`],
  ]
  documents.push({ id: code, text: facts.map(([, answer]) => answer).join(' ') })
  questions.push(...facts.map(([question, answer]) => ({ document: code, question, answer })))
}
mkdirSync(flags.out, { recursive: true })
const lines = (/** @type {readonly unknown[]} */ rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
writeFileSync(join(flags.out, 'documents.jsonl'), lines(documents))
writeFileSync(join(flags.out, 'questions.jsonl'), lines(questions))
console.log(`${documents.length} documents, ${questions.length} questions`)
