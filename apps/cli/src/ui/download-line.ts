// What is being downloaded: a bar on a terminal, a line for each file in a log.
import type { DownloadEvent } from '@jora/llama'
import type { Io } from '../io'
import { bytes } from './format'
import { bar, StatusLine } from './status-line'
import { styleFor } from './style'

export interface DownloadLine {
  readonly show: (event: DownloadEvent) => void
  /** A sentence above it. */
  note(text: string): void
  clear(): void
}

export function downloadLine({ stderr, env }: Io): DownloadLine {
  const line = new StatusLine(stderr)
  const style = styleFor(stderr, env)
  const begun = new Set<string>()
  return {
    show({ file, receivedBytes, totalBytes }) {
      if (!begun.has(file) && !stderr.isTTY) line.log(`downloading ${file} (${bytes(totalBytes)})`)
      begun.add(file)
      const share = receivedBytes / Math.max(1, totalBytes)
      line.show(`${bar(share, 24, style)}  ${bytes(receivedBytes)} of ${bytes(totalBytes)}  ${file}`)
    },
    note: (text) => line.log(style.yellow(`note: ${text}`)),
    clear: () => line.clear(),
  }
}
