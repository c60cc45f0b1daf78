// --config run.yaml: flag names as keys, in kebab, camel or snake case.
import { kebab } from '@jora/lora/settings'
import { UsageError } from '../errors'
import { readConfigText, textOf, type ConfigText, type Written } from './config-text'
import { parseValue, type Flag, type Flags } from './flag'
import { nearest } from './suggest'

const plainName = (name: string): string => name.replace(/[-_]/g, '').toLowerCase()

interface Target {
  readonly key: string
  readonly flag: Flag<unknown>
  /** The name turns the flag off: `no-shuffle`. */
  readonly inverse: boolean
}

function targetsOf(flags: Flags): Map<string, Target> {
  const targets = new Map<string, Target>()
  for (const [key, flag] of Object.entries(flags)) {
    for (const name of [kebab(key), ...(flag.aliases ?? [])]) targets.set(name, { key, flag, inverse: false })
    if (flag.negated) targets.set(`no-${kebab(key)}`, { key, flag, inverse: true })
  }
  return targets
}

const isText = (part: Written): part is Written & { readonly value: string } => typeof part.value === 'string'

/** A value as it would be typed on the command line; several where the flag can be given more than once. */
function asTyped({ value, source, plain }: Written, flag: Flag<unknown>, name: string): string[] {
  if (typeof value === 'string') return [flag.bare !== undefined && plain && value === 'true' ? flag.bare : value]
  const takesMany = flag.join !== undefined || flag.list === true
  if (Array.isArray(value) && takesMany && (value as Written[]).every(isText)) {
    const texts = (value as { value: string }[]).map((part) => part.value)
    return flag.join ? texts : [texts.join(',')]
  }
  if (flag.join && value instanceof Map) {
    const entries = [...(value as ReadonlyMap<string, Written>)]
    if (entries.every(([, part]) => isText(part))) return entries.map(([key, part]) => `${key}=${textOf(part)}`)
  }
  throw new UsageError(
    `${name}: got ${source}, expected ${flag.placeholder === undefined ? 'true or false' : 'one value'}`,
  )
}

/** All keys at once that no flag has, each with the nearest one that some flag has. */
function refuseUnknown(path: string, unknown: readonly string[], known: readonly string[]): void {
  if (unknown.length === 0) return
  const told = unknown.map((name) => {
    const near = nearest(name, known)
    return `"${name}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`
  })
  throw new UsageError(`${path}: unknown key${told.length > 1 ? 's' : ''} ${told.join(', ')}`)
}

/**
 * Values by flag.
 * @param asOurs makes one of our files of what was read, which may be of another tool
 * @throws UsageError naming file and key
 */
export async function readConfigFile(
  path: string,
  flags: Flags,
  asOurs: (file: ConfigText, path: string) => ConfigText = (file) => file,
): Promise<Map<string, unknown>> {
  return valuesOf(asOurs(await readConfigText(path), path), path, flags)
}

/** Values by flag, of a file's keys and values. @throws UsageError naming file and key */
export function valuesOf(file: ConfigText, path: string, flags: Flags): Map<string, unknown> {
  const targets = targetsOf(flags)
  const byPlain = new Map([...targets].map(([name, target]) => [plainName(name), target]))
  const names = [...file.keys()]
  refuseUnknown(
    path,
    names.filter((name) => !byPlain.has(plainName(name))),
    [...targets.keys()],
  )
  const values = new Map<string, unknown>()
  for (const [name, part] of file) {
    const { key, flag, inverse } = byPlain.get(plainName(name))!
    if (part.value === null) continue
    if (flag.bare !== undefined && part.plain && part.value === 'false') continue
    if (values.has(key)) throw new UsageError(`${path}: "${name}" is set twice, once under another name`)
    const where = `${path}: ${name}`
    const parsed = asTyped(part, flag, where).map((typed) => parseValue(flag, where, typed))
    if (parsed.length === 0) continue // `rank-pattern: {}` sets none.
    const joined = flag.join ? parsed.reduce(flag.join) : parsed[0]
    values.set(key, inverse ? joined !== true : joined)
  }
  return values
}
