// Every format that JORA reads, mutated by a seed: a typed error in plain words that names the file, or a right result.
// JORA_FUZZ=3000 sets the mutations a format (CI: some hundred), JORA_FUZZ_SEED where they begin; a fault prints its seed.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { fileTargets } from './file-targets'
import { Dice } from './mutate'
import { type Target, targets } from './targets'
import { judge } from './verdict'

const count = Number(process.env.JORA_FUZZ ?? 300)
const first = Number(process.env.JORA_FUZZ_SEED ?? 1)

async function fuzz(target: Target): Promise<void> {
  const faults = new Map<string, { seed: number; message: string; times: number }>()
  for (let seed = first; seed < first + count; seed++) {
    const fault = await judge(target.draw(new Dice(seed)), target)
    if (!fault) continue
    // One of each kind is enough to read: numbers and quoted words aside.
    const kind = `${fault.what}: ${fault.message
      .split('\n')[0]!
      .replaceAll(/\d+|"[^"]*"|'[^']*'/g, '…')
      .slice(0, 160)}`
    const seen = faults.get(kind)
    if (seen) seen.times++
    else faults.set(kind, { seed, message: fault.message.slice(0, 700), times: 1 })
  }
  expect([...faults].map(([kind, { seed, times, message }]) => `seed ${seed} (${times}×) ${kind}\n${message}`)).toEqual(
    [],
  )
}

test.each(targets)('$name', { timeout: 600_000 }, fuzz)

describe('files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'jora-fuzz-'))
  afterAll(() => rm(folder, { recursive: true }))
  test.each(await fileTargets(folder))('$name', { timeout: 600_000 }, fuzz)
})
