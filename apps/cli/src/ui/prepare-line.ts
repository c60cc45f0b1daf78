// How far the rows of a large data set are prepared: a bar with the time left on a terminal, a line now and then in a log.
import type { PrepareEvent } from '@jora/lora'
import type { Io } from '../io'
import { bytes, duration } from './format'
import { bar, StatusLine } from './status-line'
import { styleFor } from './style'

const titles: Readonly<Record<PrepareEvent['stage'], string>> = {
  checking: 'looking for prepared samples',
  reading: 'reading rows',
  tokenising: 'tokenising rows',
}

/** Files that are done sooner than this say nothing, in milliseconds. */
const quietMs = 1000

/** How often the line is drawn, in milliseconds. */
const drawnMs = 100

/** Shows a stage once it takes long; `clear` takes the line away. */
export function prepareLine({ stderr, env }: Io) {
  const line = new StatusLine(stderr)
  const style = styleFor(stderr, env)
  let stage: PrepareEvent['stage'] | undefined
  let [begun, drawn] = [0, 0]
  return {
    show({ stage: now, doneBytes, totalBytes }: PrepareEvent): void {
      const time = performance.now()
      if (now !== stage) [stage, begun] = [now, time]
      const took = time - begun
      if (took < quietMs || time - drawn < drawnMs || totalBytes === 0) return
      drawn = time
      const share = Math.min(1, doneBytes / totalBytes)
      const left = duration(((took / 1000) * (1 - share)) / Math.max(share, 1e-6))
      const facts = `${titles[now]}  ${bytes(doneBytes)} of ${bytes(totalBytes)}  ETA ${left}`
      line.show(`${bar(share, 24, style)}  ${facts}`, facts)
    },
    clear: (): void => line.clear(),
  }
}
