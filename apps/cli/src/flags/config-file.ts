// --config run.yaml: flag names as keys, in kebab, camel or snake case.
import { readFile } from 'node:fs/promises'
import { parse, YAMLParseError } from 'yaml'
import { kebab } from '@jora/lora/settings'
import { UsageError } from '../errors'
import { parseValue, type Flag, type Flags } from './flag'
import { nearest } from './suggest'

const plain = (name: string): string => name.replace(/[-_]/g, '').toLowerCase()

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

/** A YAML value as it would be typed on the command line. */
function asTyped(value: unknown, flag: Flag<unknown>, name: string): string[] {
  if (flag.bare !== undefined && value === true) return [flag.bare]
  if (Array.isArray(value) && value.every((part) => typeof part === 'string'))
    return flag.join ? value : [value.join(',')]
  if (flag.join && typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).map(([key, part]) => `${key}=${String(part)}`)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return [String(value)]
  throw new UsageError(
    `${name}: got ${JSON.stringify(value)}, expected ${flag.placeholder === undefined ? 'true or false' : 'one value'}`,
  )
}

async function readYaml(path: string): Promise<Record<string, unknown>> {
  const source = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      `--config: ${path} ${error.code === 'ENOENT' ? 'does not exist' : `cannot be read: ${error.message}`}`,
    )
  })
  let value: unknown
  try {
    value = parse(source)
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error
    throw new UsageError(`${path}: ${error.message.split('\n')[0]?.replace(/:$/, '')}`)
  }
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value))
    throw new UsageError(`${path}: expected flag names and their values, one a line, such as "lora-r: 16"`)
  return value as Record<string, unknown>
}

/** Values by flag. @throws UsageError naming file and key */
export async function readConfigFile(path: string, flags: Flags): Promise<Map<string, unknown>> {
  const targets = targetsOf(flags)
  const byPlain = new Map([...targets].map(([name, target]) => [plain(name), target]))
  const values = new Map<string, unknown>()
  for (const [name, value] of Object.entries(await readYaml(path))) {
    const target = byPlain.get(plain(name))
    if (!target) {
      const near = nearest(name, [...targets.keys()])
      throw new UsageError(`${path}: unknown key "${name}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`)
    }
    if (value === null || value === undefined) continue
    const { key, flag, inverse } = target
    if (flag.bare !== undefined && value === false) continue
    if (values.has(key)) throw new UsageError(`${path}: "${name}" is given twice, once under another name`)
    const where = `${path}: ${name}`
    const parsed = asTyped(value, flag, where).map((part) => parseValue(flag, where, part))
    const joined = flag.join ? parsed.reduce(flag.join) : parsed[0]
    values.set(key, inverse ? joined !== true : joined)
  }
  return values
}
