// A YAML or JSON file of settings as it was written: scalars stay text, so that 007, 1e3, 2024-01-01 and yes are what the
// user sees, and each setting reads its own.
import { readTextIfThere } from '@jora/data'
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type Node } from 'yaml'
import { UsageError } from '../errors'

/** A value as it was written. */
export interface Written {
  /** Null for what YAML calls null: nothing, `~` or `null`. */
  readonly value: string | null | readonly Written[] | ReadonlyMap<string, Written>
  /** Text without quotation marks: `true` is then no text but a word of YAML. */
  readonly plain: boolean
  /** As errors show it. */
  readonly source: string
}

/** A value that is text; the empty text for any other. */
export const textOf = ({ value }: Written): string => (typeof value === 'string' ? value : '')

/** A file's keys and values. */
export type ConfigText = ReadonlyMap<string, Written>

const nulls = /^(?:|~|null|Null|NULL)$/
/** Deeper than settings ever are; aliases could make circles. */
const mostDepth = 4

/** @throws UsageError for a file that is none, is broken, or holds something else than keys and values */
export async function readConfigText(path: string): Promise<ConfigText> {
  const source = await readTextIfThere(path).catch((error: Error) => {
    throw new UsageError(`--config: ${error.message}`)
  })
  if (source === undefined) throw new UsageError(`--config: ${path} does not exist`)
  return parseConfigText(source, path)
}

/** As {@link readConfigText}, of the file's text. */
export function parseConfigText(source: string, path: string): ConfigText {
  const document = parseDocument(source.replace(/^\uFEFF/, ''), { schema: 'failsafe', logLevel: 'silent' })
  const [problem] = [...document.errors, ...document.warnings]
  if (problem) throw new UsageError(`${path}: ${problem.message.split('\n')[0]?.replace(/:$/, '')}`)
  if (document.contents === null) return new Map()
  const { value } = written(document.contents, document, source, 0, path)
  if (value === null) return new Map()
  if (value instanceof Map) return value as ConfigText
  throw new UsageError(`${path}: expected flag names and their values, one a line, such as "lora-r: 16"`)
}

function written(node: Node | null, document: Document, whole: string, depth: number, path: string): Written {
  if (depth > mostDepth) throw new UsageError(`${path}: values nested deeper than ${mostDepth}`)
  const source = node?.range ? whole.slice(node.range[0], node.range[1]).trim() : ''
  const within = (inner: unknown) => written(inner as Node | null, document, whole, depth + 1, path)
  if (isAlias(node)) return within(node.resolve(document) ?? null)
  if (isMap(node)) {
    const entries = node.items.map((pair) => [textOf(within(pair.key)), within(pair.value)] as const)
    return { value: new Map(entries), plain: false, source }
  }
  if (isSeq(node)) return { value: node.items.map((item) => within(item)), plain: false, source }
  const text = isScalar(node) && typeof node.value === 'string' ? node.value : ''
  const plain = !isScalar(node) || node.type === undefined || node.type === 'PLAIN'
  return { value: plain && nulls.test(text) ? null : text, plain, source }
}
