// Which files of a data set's repository are a split of a configuration: by their names, as the Hub's own tools tell.

import { HubError } from './error'
import { isModelId } from './names'

/** A data set of the Hub as it is asked for: `org/name`, `org/name:config`, `org/name:config:split`, `org/name:split`. */
export interface DatasetName {
  readonly id: string
  /** The words behind its colons. */
  readonly parts: readonly string[]
}

/** The data set that a text names; undefined where it can be none. */
export function datasetNameOf(text: string): DatasetName | undefined {
  const [id = '', ...parts] = text.split(':')
  const isName = id.includes('/') && isModelId(id) && !/\.(jsonl?|csv|tsv|tab|parquet|txt)$/i.test(id)
  return isName && parts.length <= 2 && parts.every((part) => part !== '') ? { id, parts } : undefined
}

/** Words in names of files and folders that tell a split, and what the split is called. */
const splitWords: Readonly<Record<string, string>> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
  eval: 'test',
  evaluation: 'test',
}

const wordsOf = (text: string): string[] => text.toLowerCase().split(/[^a-z]+/)
const splitIn = (text: string): string | undefined =>
  wordsOf(text)
    .map((word) => (Object.hasOwn(splitWords, word) ? splitWords[word] : undefined))
    .find((split) => split !== undefined)

/** Files by split, by configuration. */
export type DatasetLayout = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>

/** Kinds of files, of which a repository's first one is read. */
const kinds = [/\.parquet$/i, /\.jsonl$/i, /\.json$/i, /\.(csv|tsv)$/i]
/** JSON beside the rows that says something of them. */
const isAbout = /(^|\/)(dataset_infos?|dataset_dict|state|config|package|metadata)\.json$/i

/**
 * The rows of a repository. The first folder is the configuration, `default` where there is none or it is called `data` or
 * after a split; the name of a file, else of its folder, tells the split, `train` where it tells none.
 */
export function datasetLayout(paths: Iterable<string>): DatasetLayout {
  const all = [...paths].filter((path) => !isAbout.test(path) && !path.startsWith('.')).sort()
  const kind = kinds.find((pattern) => all.some((path) => pattern.test(path)))
  const layout = new Map<string, Map<string, string[]>>()
  for (const path of kind === undefined ? [] : all.filter((each) => kind.test(each))) {
    const folders = path.split('/')
    const file = folders.pop()!
    const [first] = folders
    const config = first === undefined || first === 'data' || splitIn(first) !== undefined ? 'default' : first
    const split = splitIn(file) ?? folders.map(splitIn).findLast((each) => each !== undefined) ?? ownSplit(folders)
    const splits = layout.get(config) ?? new Map<string, string[]>()
    splits.set(split, [...(splits.get(split) ?? []), path])
    layout.set(config, splits)
  }
  return layout
}

/** In the Hub's own copies a folder below the configuration is the split, whatever it is called. */
const ownSplit = ([, split]: readonly string[]): string => split ?? 'train'

const listed = (names: Iterable<string>): string => [...names].slice(0, 20).join(', ')

/**
 * The files of the split that a name asks for.
 * @param preferred splits to take where none is named, the first that there is
 * @throws HubError saying which configurations or splits there are
 */
export function chooseSplit(
  layout: DatasetLayout,
  { id, parts }: DatasetName,
  preferred: readonly string[],
): { config: string; split: string; files: readonly string[] } {
  const [first, second] = parts
  const only = layout.size === 1 ? [...layout.keys()][0]! : layout.has('default') ? 'default' : undefined
  const config = first !== undefined && layout.has(first) ? first : second === undefined ? only : undefined
  if (config === undefined || (first !== undefined && config !== first && second !== undefined)) {
    const which = first === undefined ? 'has several configurations; name one' : `has no configuration ${first}`
    throw new HubError('NotFound', id, `${which}: ${listed(layout.keys())} (${id}:CONFIG)`)
  }
  const splits = layout.get(config)!
  const named = second ?? (config === first ? undefined : first)
  const split = named ?? preferred.find((name) => splits.has(name)) ?? (splits.size === 1 ? [...splits.keys()][0] : '')
  const files = splits.get(split!)
  if (files === undefined) {
    const which = named === undefined ? 'has several splits; name one' : `has no split ${named}`
    throw new HubError('NotFound', id, `${which}: ${listed(splits.keys())} (${id}:${config}:SPLIT)`)
  }
  return { config, split: split!, files }
}
