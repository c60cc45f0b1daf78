// A time limit for a native call that blocks the thread: a second thread ends the process when it does not return.
import { Worker } from 'node:worker_threads'

const watch = `
const { workerData } = require('node:worker_threads')
setTimeout(() => {
  require('node:fs').writeSync(2, workerData.complaint + '\\n')
  process.kill(process.pid, 'SIGKILL')
}, workerData.milliseconds)
`

/**
 * Makes the call. If it has not returned after `seconds`, writes the complaint to stderr and kills the process: its own
 * thread will not run again, and a launcher ends the job when one process is killed.
 */
export function within(seconds: number, complaint: string, call: () => void): void {
  const worker = new Worker(watch, { eval: true, workerData: { complaint, milliseconds: seconds * 1000 } })
  worker.unref()
  try {
    call()
  } finally {
    void worker.terminate()
  }
}
