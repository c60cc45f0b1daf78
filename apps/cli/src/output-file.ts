// The --output of commands that write rows: what is there already is not lost without a word.
import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isSameFile, isStream } from '@jora/tensor/files'
import { UsageError } from './errors'
import { toggle } from './flags/flag'

export const overwriteFlag = toggle('replace the output file, whatever its content')

export interface OutputCheck {
  readonly overwrite: boolean
  /** What is read, by flag: none of it may be the output. */
  readonly inputs: Readonly<Record<string, string>>
  /** Keys that the first row of such an output has. */
  readonly keys: readonly string[]
}

/**
 * Checks where rows are to go. An earlier output of the same kind is replaced, which the caller tells; any other file is
 * only with --overwrite.
 *
 * @returns whether a file there will be replaced
 * @throws UsageError when `output` is a folder, an input, or a file of something else
 */
export async function checkOutputFile(output: string, { overwrite, inputs, keys }: OutputCheck): Promise<boolean> {
  for (const [flag, input] of Object.entries(inputs))
    if (resolve(output) === resolve(input) || isSameFile(output, input))
      throw new UsageError(`--output: ${output} is ${flag === 'input' ? 'the input' : `what --${flag} reads`}`)
  // What /dev/stdout stands for is the shell's business: it is written after what is there.
  if (isStream(output)) return false
  const found = await stat(output).catch(() => undefined)
  if (found?.isDirectory()) throw new UsageError(`--output: ${output} is a folder, expected a file`)
  if (found?.isFile() !== true) return false
  if (found.size > 0 && !overwrite && !(await beginsWithRow(output, keys)))
    throw new UsageError(
      `--output: ${output} exists with other content; choose another name, or replace it with --overwrite`,
    )
  return true
}

/** Whether the first line of a file is a JSON object with one of these keys; long ones are judged by their beginning. */
async function beginsWithRow(file: string, keys: readonly string[]): Promise<boolean> {
  const opened = await open(file)
  try {
    const { buffer, bytesRead } = await opened.read(Buffer.alloc(1 << 16), 0, 1 << 16, 0)
    const [line = ''] = buffer.toString('utf8', 0, bytesRead).split('\n', 1)
    return line.startsWith('{') && keys.some((key) => line.includes(`"${key}":`))
  } finally {
    await opened.close()
  }
}
