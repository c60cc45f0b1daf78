// The licence of a folder: which of its files are one, and what they say it is.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isLicence } from '@jora/llama'

/** The Hub's identifiers of licences that say who they are. */
const licences: readonly [text: RegExp, id: string][] = [
  [/Apache License\s+Version 2\.0/i, 'apache-2.0'],
  [/^\s*(The )?MIT License/i, 'mit'],
  [/LLAMA 2 COMMUNITY LICENSE/i, 'llama2'],
  [/META LLAMA 3 COMMUNITY LICENSE/i, 'llama3'],
  [/LLAMA 3\.1 COMMUNITY LICENSE/i, 'llama3.1'],
  [/LLAMA 3\.2 COMMUNITY LICENSE/i, 'llama3.2'],
  [/LLAMA 3\.3 COMMUNITY LICENSE/i, 'llama3.3'],
]

/** The Hub's identifier of the licence of what is in `folder`: by its card's metadata, else by its licence file. */
export async function licenceOf(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => [] as string[])
  const card = names.includes('README.md') ? await readFile(join(folder, 'README.md'), 'utf8').catch(() => '') : ''
  const [, block = ''] = /^---\n([\s\S]*?)\n---/.exec(card) ?? []
  const [, told] = /^license:\s*["']?([\w.-]+)["']?\s*$/m.exec(block) ?? []
  if (told !== undefined) return told
  for (const name of names.filter(isLicence)) {
    const head = (await readFile(join(folder, name), 'utf8').catch(() => '')).slice(0, 2000)
    const found = licences.find(([pattern]) => pattern.test(head))
    if (found) return found[1]
  }
  return undefined
}
