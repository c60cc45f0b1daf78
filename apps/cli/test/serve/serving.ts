// jora serve in this process, for as long as a test uses it.
import { expect } from 'vitest'
import { run } from '../../src/program'

/** Serves on the CPU while `use` runs. @returns what it wrote to stderr */
export async function serving(
  argv: readonly string[],
  use: (address: string, models: string[]) => Promise<void>,
): Promise<string> {
  let [out, err] = ['', '']
  let interrupt = () => {}
  const ended = run(['serve', '--device', 'cpu', '--port', '0', '--json', ...argv], {
    stdout: { write: (text) => void (out += text), isTTY: false, columns: 100 },
    stderr: { write: (text) => void (err += text), isTTY: false, columns: 100 },
    env: {},
    readStdin: async () => '',
    async *readLines() {},
    onInterrupt: (listener) => {
      interrupt = listener
      return () => {}
    },
    endNow: () => {},
    turnToTell: async () => '',
  })
  await expect.poll(() => out + err, { timeout: 60_000 }).toContain('address')
  const { address, models } = JSON.parse(out) as { address: string; models: string[] }
  try {
    await use(address, models)
  } finally {
    interrupt()
  }
  expect(await ended).toBe(0)
  return err
}
