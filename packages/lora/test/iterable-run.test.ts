// What a loop over a run's events says.
import { expect, test, vi } from 'vitest'
import type { TrainSummary } from '../src/train/train-summary'

test('the first loop over a run warns that it goes, later ones do not', async () => {
  // Its module says it once a process, where files before this one may have had it said.
  vi.resetModules()
  const { iterableRun } = await import('../src/train/iterable-run')
  const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  try {
    for (let i = 0; i < 2; i++) {
      const run = iterableRun(async (onEvent) => {
        await Promise.resolve()
        await onEvent({ type: 'error', time: 0, message: 'x' } as never)
        return {} as TrainSummary
      }, 1)
      for await (const event of run) expect(event.type).toBe('error')
    }
    expect(emit.mock.calls).toEqual([
      [expect.stringContaining('onEvent'), { type: 'DeprecationWarning', code: 'JORA_TRAIN_RUN' }],
    ])
  } finally {
    emit.mockRestore()
  }
})
