// The small files of a model folder: each is read once, whatever is made of it.
import { join } from 'node:path'
import { readTextIfThere } from '@jora/data'
import { ModelError } from '../config/config'

/** The text of a file; undefined when there is none. @throws ModelError when it cannot be read, or is not text */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readTextIfThere(path)
  } catch (error) {
    throw new ModelError((error as Error).message)
  }
}

/** Texts of the files of `names` that are in `folder`, by name. */
export async function readTexts(folder: string, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const texts = await Promise.all(names.map(async (name) => [name, await readText(join(folder, name))] as const))
  return new Map(texts.flatMap(([name, text]) => (text === undefined ? [] : [[name, text] as const])))
}
