// The documentation is true: its command lines exist with their flags, its links lead somewhere, and its index is complete.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { jora } from './harness'

const root = join(import.meta.dirname, '../../..')

const markdownIn = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name).replaceAll('\\', '/'))

const readmes = ['packages', 'apps', 'tooling'].flatMap((folder) =>
  readdirSync(join(root, folder)).map((name) => `${folder}/${name}/README.md`),
)
const pages = ['README.md', 'CONTRIBUTING.md', ...markdownIn('docs'), ...readmes].filter((page) =>
  existsSync(join(root, page)),
)

/** Code of a page: lines of its blocks, those that a backslash continues joined, and what is between backticks. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```\w*\n([^]*?)^ *```/gm)].map(([, code]) => code!)
  const rest = text.replace(/^ *```\w*\n[^]*?^ *```/gm, '')
  return [
    ...blocks.flatMap((code) => code.replace(/\\\n/g, ' ').split('\n')),
    ...[...rest.matchAll(/`([^`]+)`/g)].map(([, code]) => code!.replace(/\s+/g, ' ')),
  ]
}

interface Mention {
  readonly page: string
  readonly words: readonly string[]
  readonly flags: readonly string[]
}

/** What is typed after `jora` in a piece of code: command words, then flags, up to where the shell goes on to something else. */
function mentionsIn(page: string): Mention[] {
  const start = /(?:npm run jora --|(?<![\w./-])jora|bin\/jora\.mjs) ([a-z]+)(?: ([a-z]+))?(?![\w=])([^|;#>]*)/g
  return codeOf(readFileSync(join(root, page), 'utf8')).flatMap((code) =>
    [...code.matchAll(start)].map(([, first, second, rest]) => ({
      page,
      words: ['data', 'config'].includes(first!) && second !== undefined ? [first!, second] : [first!],
      flags: [...rest!.matchAll(/(?<=\s|^)--[a-z][a-z0-9-]*/g)].map(([flag]) => flag),
    })),
  )
}

test('commands and flags in the documentation exist', async () => {
  const mentions = pages.flatMap(mentionsIn)
  const helps = new Map<string, string>()
  const wrong: string[] = []
  for (const { page, words, flags } of mentions) {
    const command = words.join(' ')
    if (!helps.has(command)) {
      const { code, out } = await jora([...words, '--help'])
      helps.set(command, code === 0 && out.startsWith(`Usage: jora ${command}`) ? out : '')
    }
    const help = helps.get(command)!
    if (help === '') wrong.push(`${page}: there is no command jora ${command}`)
    for (const flag of flags)
      if (help !== '' && !new RegExp(`${flag}(?![\\w-])`).test(help))
        wrong.push(`${page}: jora ${command} has no ${flag}`)
  }
  expect(wrong).toEqual([])
  // A pattern that finds nothing would check nothing.
  expect(mentions.length).toBeGreaterThan(50)
  expect(helps.size).toBeGreaterThan(10)
})

test('links between the pages lead somewhere', () => {
  const broken = pages.flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
      .map(([, path]) => path!)
      .filter((path) => !/^[a-z]+:/.test(path) && !existsSync(join(root, page, '..', path)))
      .map((path) => `${page}: ${path}`),
  )
  expect(broken).toEqual([])
})

test('docs/README.md names every page of docs/; those of studies are in an index of their own', () => {
  const namedIn = (folder: string) =>
    [...readFileSync(join(root, 'docs', folder, 'README.md'), 'utf8').matchAll(/\]\((?!\w+:)([^)#]+\.md)\)/g)].map(
      ([, path]) => join(folder, path!).replaceAll('\\', '/'),
    )
  const named = new Set([...namedIn('.'), ...namedIn('results')])
  const missing = markdownIn('docs')
    .map((page) => relative('docs', page).replaceAll('\\', '/'))
    .filter((page) => page !== 'README.md' && !page.startsWith('api/') && !named.has(page))
  expect(missing).toEqual([])
  expect([...named].filter((path) => !existsSync(join(root, 'docs', path)))).toEqual([])
})
