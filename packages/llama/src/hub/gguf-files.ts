// GGUF files of repositories, named as llama.cpp's users name them: org/repo/file.gguf, or org/repo:Q4_K_M.
import { HubError } from './error'
import { isModelId } from './names'

/** A repository, and which of its GGUF files is meant. */
export interface GgufName {
  readonly id: string
  /** Path of the file in the repository, or the quantisation that its name ends with. */
  readonly file?: string
  readonly quantisation?: string
}

/** The repository and file that a name means; undefined for one that means none. */
export function ggufNameOf(name: string): GgufName | undefined {
  const [id = '', quantisation = '', ...more] = name.split(':')
  if (quantisation !== '' && more.length === 0 && id.includes('/') && isModelId(id)) return { id, quantisation }
  const parts = name.split('/')
  const repository = parts.slice(0, 2).join('/')
  return parts.length > 2 && /\.gguf$/i.test(name) && isModelId(repository)
    ? { id: repository, file: parts.slice(2).join('/') }
    : undefined
}

/** `model-00001-of-00003.gguf`: what it begins with, its part, and how many there are. */
export function splitPartOf(file: string): { stem: string; part: number; parts: number } | undefined {
  const [, stem, part, parts] = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/.exec(file) ?? []
  return stem === undefined ? undefined : { stem, part: Number(part), parts: Number(parts) }
}

/** Names of all parts of the split set that `file` is of; of any other file, itself. */
export function splitParts(file: string): string[] {
  const split = splitPartOf(file)
  if (!split) return [file]
  const digits = (n: number) => String(n).padStart(5, '0')
  return Array.from({ length: split.parts }, (_, i) => `${split.stem}-${digits(i + 1)}-of-${digits(split.parts)}.gguf`)
}

/** Whether a file is a model's, or its first part: not what reads pictures for it, nor a later part. */
const isModel = (file: string): boolean =>
  /\.gguf$/i.test(file) && !/(^|\/)mmproj/i.test(file) && (splitPartOf(file)?.part ?? 1) === 1

/** A repository's GGUF models, for messages. */
export const ggufModels = (all: Iterable<string>): string[] => [...all].filter(isModel).sort()

/**
 * The file that is meant, with its other parts.
 * @param all files of the repository
 * @throws HubError naming those that are there
 */
export function selectGguf(all: ReadonlySet<string>, { id, file, quantisation = '' }: GgufName): string[] {
  const models = ggufModels(all)
  const ending = quantisation.toLowerCase()
  const ends = (name: string) => {
    const stem = (splitPartOf(name)?.stem ?? name.replace(/\.gguf$/i, '')).toLowerCase()
    return stem.endsWith(ending) && /^$|[-._/]$/.test(stem.slice(0, -ending.length))
  }
  const found = file === undefined ? models.filter(ends) : [...all].filter((name) => name === file)
  const [first] = found
  if (first === undefined || found.length > 1) {
    const list = (found.length > 1 ? found : models).slice(0, 12).join(', ')
    throw new HubError(
      'NotFound',
      id,
      found.length > 1
        ? `has several GGUF files of ${quantisation} (${list}): name one, ${id}/FILE.gguf`
        : `has no GGUF file ${file ?? `of ${quantisation}`}${models.length === 0 ? '' : `; it has ${list}`}`,
    )
  }
  const missing = splitParts(first).find((part) => !all.has(part))
  if (missing !== undefined) throw new HubError('NotFound', id, `has ${first}, but not ${missing}`)
  return splitParts(first)
}
