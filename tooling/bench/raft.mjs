// How long `buildRaft` takes, stage by stage, and the memory it needs, on a corpus that it makes itself.
//   node raft.mjs --tokenizer DIR [--passages 100000] [--questions 10000] [--chunk-tokens 1000] [--seed 1]
// The corpus is that of corpus.mjs. scale.mjs measures the whole command on it.
import { parseArgs } from 'node:util'
import { buildRaft, loadTokenizer } from '@jora/data'
import { makeCorpus } from './corpus.mjs'

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
const { documents, questions, characters } = makeCorpus({
  passages,
  questions: questionCount,
  seed: Number(flags.seed),
})
console.log(`${passages} passages, ${(characters / 2 ** 20).toFixed(0)} MiB, ${questions.length} questions`)

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
