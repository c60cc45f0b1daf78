// How long `buildRaft` takes, stage by stage, and the memory it needs, on a corpus that it makes itself.
//   node raft.mjs --tokenizer DIR [--passages 100000] [--questions 10000] [--chunk-tokens 1000] [--seed 1]
// A passage is a paragraph of about a kilobyte, ten of them a document; its words are drawn by Zipf's law, and one sentence of it
// answers a question.
import { parseArgs } from 'node:util'
import { buildRaft, loadTokenizer, Random } from '@jora/data'

const { values: flags } = parseArgs({
  options: {
    tokenizer: { type: 'string' },
    passages: { type: 'string', default: '100000' },
    questions: { type: 'string', default: '10000' },
    'chunk-tokens': { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
  },
})
if (!flags.tokenizer) throw new Error('--tokenizer is required')
const [passages, questionCount] = [Number(flags.passages), Number(flags.questions)]
const random = new Random(Number(flags.seed))
const perDocument = 10

/** @param {number} length */
const letters = (length) =>
  Array.from(
    { length },
    (_, i) => (i % 2 === 0 ? 'bcdfghklmnprstvz' : 'aeiou')[random.below(i % 2 === 0 ? 16 : 5)],
  ).join('')
const words = Array.from({ length: 50_000 }, () => letters(2 + random.below(9)))
/** A word by Zipf's law: rank r comes about 1/r as often as the first. */
const word = () => words[Math.floor(words.length ** (random.below(2 ** 30) / 2 ** 30)) - 1] ?? words[0]
const sentence = () => {
  const text = Array.from({ length: 8 + random.below(12) }, word).join(' ')
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

/** @type {import('@jora/data').RaftDocument[]} */
const documents = []
/** @type {import('@jora/data').RaftQuestion[]} */
const questions = []
let bytes = 0
for (let d = 0; d < passages / perDocument; d++) {
  const paragraphs = Array.from({ length: perDocument }, (_, p) => {
    const said = Array.from({ length: 9 }, sentence)
    const [place, name] = [`${letters(7)}${d}`, `${letters(9)} ${letters(6)}`]
    const known = [word(), word(), word()].join(' ')
    const number = d * perDocument + p
    if (number % Math.max(1, Math.floor(passages / questionCount)) === 0 && questions.length < questionCount)
      questions.push({ question: `Who is the keeper of ${place}, known for ${known}?`, answer: name })
    return [...said, `The keeper of ${place}, known for ${known}, is ${name}.`].join(' ')
  })
  const text = paragraphs.join('\n\n')
  bytes += text.length
  documents.push({ id: `d${d}`, text })
}
console.log(`${passages} passages, ${(bytes / 2 ** 20).toFixed(0)} MiB, ${questions.length} questions`)

const tokenizer = await loadTokenizer(flags.tokenizer)
const [begun, before] = [performance.now(), process.resourceUsage().userCPUTime]
/** Of this process, in seconds: what other programs take of the machine does not count. */
const cpu = () => (process.resourceUsage().userCPUTime + process.resourceUsage().systemCPUTime) / 1e6
let [stage, since, used] = ['', begun, cpu()]
const tell = () => {
  if (stage !== '')
    console.log(
      `${stage.padEnd(8)} ${((performance.now() - since) / 1000).toFixed(1)} s, ${(cpu() - used).toFixed(1)} s of CPU`,
    )
}
const { rows, refused } = buildRaft(documents, questions, {
  tokenizer,
  // A passage is a chunk, whatever the tokenizer makes of words that are drawn.
  chunkTokens: Number(flags['chunk-tokens']),
  onProgress: (_done, _total, next) => {
    if (next === stage) return
    tell()
    ;[stage, since, used] = [next, performance.now(), cpu()]
  },
})
tell()
const seconds = (performance.now() - begun) / 1000
const peak = process.resourceUsage().maxRSS / 1024
console.log(
  `whole    ${seconds.toFixed(1)} s, ${((process.resourceUsage().userCPUTime - before) / 1e6).toFixed(1)} s of CPU, ${rows.length} contexts, ${refused.length} refused, peak ${peak.toFixed(0)} MiB`,
)
