// The small files of a model folder: each is read once, whatever is made of it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelError } from '../config/config'

/** The text of a file; undefined when there is none. @throws ModelError when it cannot be read, or is a Git LFS pointer */
async function readText(path: string): Promise<string | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new ModelError(`${path} cannot be read: ${message}`)
  }
  if (text.startsWith('version https://git-lfs.github.com/'))
    throw new ModelError(
      `${path} is a Git LFS pointer, not the file: fetch it with \`git lfs pull\`, or download the file itself`,
    )
  return text
}

/** Texts of the files of `names` that are in `folder`, by name. */
export async function readTexts(folder: string, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const texts = await Promise.all(names.map(async (name) => [name, await readText(join(folder, name))] as const))
  return new Map(texts.flatMap(([name, text]) => (text === undefined ? [] : [[name, text] as const])))
}
