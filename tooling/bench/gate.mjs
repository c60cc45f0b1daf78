// A gate for CI: a training step on the bundled model, its time as a multiple of what its arithmetic takes at the
// best matrix product of the same process, and the peak memory of that process. Both are held under bounds that leave
// room for noise; whoever makes a step slower or larger than that sees it here. Needs a build.
//   node tooling/bench/gate.mjs [--json]
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..', '..')
const step = ['--batch', '4', '--seq', '256', '--steps', '12', '--warmup', '2', '--threads', '2']
const model = join(root, 'apps', 'cli', 'assets', 'tiny-llama')

/**
 * What may not be passed. One run on two threads of an AMD EPYC with AVX2, busy with other work: 2.9 and 206 MB. Where
 * products are faster (AMX), what is not a product weighs more: hence the distance.
 */
const bounds = {
  /** Time of the fastest step over that of its arithmetic at the product's rate. */
  stepOverFloor: 10,
  /** MB. */
  peakMemory: 300,
}

async function measure() {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(import.meta.dirname, 'lora-step.mjs'),
    ...step,
    '--model',
    model,
  ])
  const { minStepMs, floorStepMs, peakMb, gemmGflops } = JSON.parse(stdout)
  return { stepOverFloor: minStepMs / floorStepMs, peakMemory: peakMb, minStepMs, gemmGflops }
}

// A machine that is busy for a moment gets another try: the gate is for what is always slower.
let best = await measure()
for (let tries = 1; tries < 3 && best.stepOverFloor > bounds.stepOverFloor; tries++) {
  const again = await measure()
  if (again.stepOverFloor < best.stepOverFloor)
    best = { ...again, peakMemory: Math.min(again.peakMemory, best.peakMemory) }
}
if (process.argv.includes('--json')) console.log(JSON.stringify({ ...best, bounds }))
else
  console.log(
    `step ${best.minStepMs.toFixed(0)} ms, ${best.stepOverFloor.toFixed(2)} × its arithmetic at ${best.gemmGflops.toFixed(0)} GFLOP/s ` +
      `(at most ${bounds.stepOverFloor}); peak memory ${best.peakMemory.toFixed(0)} MB (at most ${bounds.peakMemory})`,
  )
if (best.stepOverFloor > bounds.stepOverFloor || best.peakMemory > bounds.peakMemory) {
  console.error('gate: a training step on the bundled model takes more than it may')
  process.exit(1)
}
