// jora config import: a config file of another tool as one of ours, on stdout.
import type { Command } from 'commander'
import { kebab } from '@jora/lora/settings'
import { UsageError } from '../errors'
import { asOurs, toolOf, tools, translate, type Remark } from '../config-import/translate'
import { valuesOf } from '../flags/config-file'
import { readConfigText } from '../flags/config-text'
import { defineCommand } from '../flags/define-command'
import type { Session } from '../io'
import { trainFlags } from './train-settings'

const titles = tools.map(({ title }) => title).join(', ')

/** Text as YAML has it: quoted where it could be read as something else. */
const scalar = (text: string): string => (/^[\w./-]*[A-Za-z_/][\w./-]*$/.test(text) ? text : JSON.stringify(text))
const isNumber = (text: string): boolean => /^-?(0|[1-9]\d*)(\.\d+)?(e-?\d+)?$/i.test(text)

const comment = ({ key, source, why }: Remark): string => `#   ${key}: ${source.replace(/\s+/g, ' ')}  (${why})`

export function registerConfigImport(config: Command, io: Session): void {
  defineCommand(config, io, {
    name: 'import',
    flags: {},
    argument: { name: 'FILE', help: 'a YAML or JSON config' },
    examples: ['config import qlora.yml > run.yaml'],
    async run(_values, { argument: path, json }) {
      const file = await readConfigText(path)
      const tool = toolOf(file)
      if (tool === undefined)
        throw new UsageError(
          `${path}: its keys are those of none of ${titles}; --config reads JORA’s own configs directly`,
        )
      const { values, said, notes, lacks } = translate(file, tool, path)
      // Each value is held to its flag, so that what is printed is read again.
      const checked = valuesOf(asOurs(values), path, trainFlags)
      if (json) {
        io.stdout.write(
          `${JSON.stringify({ tool: tool.title, settings: Object.fromEntries(checked), lacks, notes })}\n`,
        )
        return
      }
      const line = ([key, text]: [string, string]) => `${kebab(key)}: ${isNumber(text) ? text : scalar(text)}`
      const order = Object.keys(trainFlags)
      const entries = Object.entries(values).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
      const isSaid = ([key]: [string, string]) => (said as ReadonlySet<string>).has(key)
      const parts = [
        [`# Of a config of ${tool.title}: ${path}`, ...entries.filter(isSaid).map(line)],
        [`# Where it says nothing, as ${tool.title} does`, ...entries.filter((entry) => !isSaid(entry)).map(line)],
        lacks.length > 0 ? ['# JORA does not have', ...lacks.map(comment)] : [],
        notes.length > 0 ? ['# Left out: nothing that is learned depends on it', ...notes.map(comment)] : [],
      ]
      const text = parts.filter((part) => part.length > 0).map((part) => part.join('\n'))
      io.stdout.write(`${text.join('\n\n')}\n`)
      if (lacks.length > 0)
        io.stderr.write(`note: JORA does not have ${lacks.map(({ key, why }) => `${key} (${why})`).join(', ')}\n`)
    },
  })
}
