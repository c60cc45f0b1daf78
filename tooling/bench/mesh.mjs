// Speed and memory of a mesh of CPU devices beside one of them: a LoRA step of the 26M-parameter Llama, in turn.
//   node mesh.mjs [--mesh data=1,model=2] [--rounds 3] [--steps 8] [--batch 1] [--seq 512] [--json]
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const { values: flags } = parseArgs({
  options: {
    mesh: { type: 'string', default: 'data=1,model=2' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '8' },
    batch: { type: 'string', default: '1' },
    seq: { type: 'string', default: '512' },
    json: { type: 'boolean', default: false },
  },
})

/** @param {string} file @param {string[]} args @returns {Record<string, number>} */
function measure(file, args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(here, file), ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(/** @type {string} */ (stdout.trim().split('\n').at(-1)))
}
const step = (/** @type {string} */ mesh) =>
  measure('lora-step.mjs', [
    `--mesh=${mesh}`,
    '--threads=1',
    '--warmup=2',
    `--batch=${flags.batch}`,
    `--seq=${flags.seq}`,
    `--steps=${flags.steps}`,
  ])
const median = (/** @type {number[]} */ list) =>
  /** @type {number} */ ([...list].sort((a, b) => a - b)[Math.floor(list.length / 2)])

const rounds = Array.from({ length: Number(flags.rounds) }, () => ({
  one: step('data=1,model=1'),
  mesh: step(flags.mesh),
}))
const of = (/** @type {'one' | 'mesh'} */ which) =>
  median(rounds.map((r) => /** @type {number} */ (r[which].medianStepMs)))
const result = {
  mesh: flags.mesh,
  oneDeviceMs: of('one'),
  meshMs: of('mesh'),
  speedup: median(
    rounds.map((r) => /** @type {number} */ (r.one.medianStepMs) / /** @type {number} */ (r.mesh.medianStepMs)),
  ),
  allReduce: measure('all-reduce.mjs', []),
}
if (flags.json) console.log(JSON.stringify(result))
else {
  console.log(`${flags.batch} × ${flags.seq} tokens, devices of one thread each`)
  console.log(`one device     ${result.oneDeviceMs.toFixed(0)} ms a step`)
  console.log(`mesh ${flags.mesh}  ${result.meshMs.toFixed(0)} ms, ${result.speedup.toFixed(2)} times as fast`)
  const { allReduceMs, copyAndAddMs, ratio } = result.allReduce
  console.log(
    `a 4 MB sum between 2 devices: ${allReduceMs?.toFixed(2)} ms, ${ratio?.toFixed(2)} times a copy and an addition (${copyAndAddMs?.toFixed(2)} ms)`,
  )
}
