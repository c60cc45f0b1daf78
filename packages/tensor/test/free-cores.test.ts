// Threads wait awake where no other process needs the cores; what this process has done itself counts for nothing.
import { spawn } from 'node:child_process'
import { cpus } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { areCoresFree, othersBusy } from '../src/backend-onnx/process/free-cores'

test('own work does not count as work of others', () => {
  const from = { at: 1000, busy: 50_000, own: 700 }
  expect(othersBusy(from, { at: 2000, busy: 51_000, own: 1700 })).toBe(0)
  expect(othersBusy(from, { at: 2000, busy: 52_500, own: 1700 })).toBe(1.5)
  // Counters of the system and of the process step at different moments.
  expect(othersBusy(from, { at: 2000, busy: 51_000, own: 1704 })).toBe(0)
})

test('beside a process that works, not all cores are free', async () => {
  const busy = spawn(process.execPath, ['-e', 'while (true);'])
  try {
    await setTimeout(400) // until it works
    areCoresFree(1)
    await setTimeout(400)
    expect(areCoresFree(cpus().length)).toBe(false)
  } finally {
    busy.kill('SIGKILL')
  }
})
