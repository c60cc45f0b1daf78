// The table of settings is the one place that declares them: what is made of it follows an added entry, and no other file repeats one.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settings, types, type Setting, type Settings } from './index'
import { courseOf, defaultsOf, docsOf, fieldsOf, flagOf, fromNames } from './derive'

const root = join(import.meta.dirname, '../../../..')
const entries = Object.entries<Setting>(settings)

describe('every entry', () => {
  test.each(entries)('%s: its default is one of its values, and what it shows is read back', (_key, setting) => {
    const { type, fallback, required } = setting
    if (fallback === undefined || required) return
    expect(type.problem(fallback)).toBeUndefined()
    const text = type.show(fallback)
    if (text !== '') expect(type.parse(text)).toEqual(fallback)
  })
  test('has a label of its own and sentences about it', () => {
    expect(new Set(entries.map(([, { label }]) => label)).size).toBe(entries.length)
    for (const [key, { about }] of entries) expect(about, key).toMatch(/^[A-Z0-9].*\.$/)
  })
  test('has names that no other has', () => {
    const names = entries.flatMap(([key, setting]) => [flagOf(key, setting).slice(2), ...(setting.aliases ?? [])])
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
  })
})

describe('a setting that is added', () => {
  const added = {
    ...settings,
    loftIterations: {
      type: types.integer(1, 9),
      fallback: 3,
      name: 'loftSteps',
      help: 'steps of the loft',
      label: 'Steps of the loft',
      about: 'How many.',
      group: 'adapter',
      course: true,
    },
  } as const satisfies Settings

  test('has a default, a field, a line of docs, and is compared on resume', () => {
    expect(defaultsOf(added).loftIterations).toBe(3)
    expect(fieldsOf(added).loftSteps).toMatchObject({ label: 'Steps of the loft', control: { kind: 'integer' } })
    expect(docsOf(added)).toContain(
      '| `--loft-steps` | `N` | `3` | steps of the loft. In code: `loftIterations`. | yes |',
    )
    expect(courseOf(added, { loftIterations: 4 }).loftIterations).toBe(4)
    expect(fromNames(added, { loftSteps: 5 })).toEqual({ loftIterations: 5 })
  })
})

/** Source files, without tests. */
function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sources(path)
    return /\.tsx?$/.test(entry.name) && !/\.test\./.test(entry.name) ? [path] : []
  })
}

describe('declarations in the whole repository', () => {
  const files = ['packages', 'apps']
    .flatMap((part) => readdirSync(join(root, part)).map((name) => join(root, part, name, 'src')))
    .flatMap((folder) => sources(folder))
    .map((path) => [path.slice(root.length + 1).replaceAll('\\', '/'), readFileSync(path, 'utf8')] as const)
  const holding = (pattern: RegExp) => files.filter(([, text]) => pattern.test(text)).map(([path]) => path)
  const quoted = (text: string) => new RegExp(`['"\`]${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}['"\`]`)

  test.each(entries.filter(([, { help }]) => help.includes(' ')))('%s: one file has its help', (_key, { help }) => {
    expect(holding(quoted(help)).join()).toMatch(/^packages\/lora\/src\/settings\/table\/\w+\.ts$/)
  })

  const training = 'packages/lora/src/settings/table/training.ts'
  const trainer = 'packages/lora/src/train/trainer.ts'
  test.each(['adamBeta1', 'adamBeta2', 'adamEpsilon', 'warmupRatio', 'saveEvery'])(
    '%s is named by the table and by the trainer, which reads it',
    (key) => {
      const flag = flagOf(key, (settings as Settings)[key]!).slice(2)
      const found = holding(new RegExp(`\\b(${key}|${flag})\\b`))
      // These give values, or translate other tools' keys; they declare nothing.
      const others = /settings\/recipes\.ts$|quickstart\.ts$|-harness\.ts$|^apps\/cli\/src\/config-import\//
      expect(found.filter((path) => !others.test(path))).toEqual([training, trainer])
    },
  )
})

test('docs/settings.md is made of the table (vitest -u writes it)', async () => {
  const text = `# Settings

Made from the table of settings (\`packages/lora/src/settings/table\`) by its test; do not edit it. Each is a flag of
\`jora train\`, a key of a config file (with dashes, underscores or in camel case), and a setting of \`JoraConfig\`. A run
is resumed only with the values it began with where the last column says so.

${docsOf(settings)}`
  await expect(text).toMatchFileSnapshot(join(root, 'docs/settings.md'))
})
