// A command from its table of flags: commander parses, the config file fills in, then the command runs.
import { Option, type Command } from 'commander'
import { UsageError } from '../errors'
import type { Session } from '../io'
import { program } from '../ui/next-command'
import type { ConfigText } from './config-text'
import { flagName, parseValue, text, toggle, type Flag, type Flags, type ValuesOf } from './flag'

const common = {
  config: { ...text('settings from a YAML file; flags override it', 'FILE'), group: 'Common:' },
  json: { ...toggle('print one JSON document on stdout and nothing else there'), group: 'Common:' },
}

export interface CommandContext<F extends Flags> {
  readonly io: Session
  /** The flags that were given, on the command line or in the config file. */
  readonly given: ReadonlySet<keyof F>
  readonly json: boolean
  /** What was typed without a flag; empty where the command takes no such thing. */
  readonly argument: string
}

export interface CommandSpec<F extends Flags> {
  /** Its summary is in the table of commands. */
  readonly name: string
  readonly flags: F
  /** What is typed without a flag. */
  readonly argument?: { readonly name: string; readonly help: string }
  /** Reads a config file that may be of another tool: as one of ours. */
  readonly readConfig?: (file: ConfigText, path: string, given: ReadonlySet<string>, io: Session) => ConfigText
  /** Shown under --help, without the leading `jora`. */
  readonly examples: readonly string[]
  run(values: ValuesOf<F>, context: CommandContext<F>): Promise<void>
}

/** An option stored under its flag's key whichever of its names was typed. */
class FlagOption extends Option {
  constructor(
    readonly key: string,
    name: string,
    flag: Flag<unknown>,
  ) {
    const { placeholder, bare, shown, required } = flag
    const value =
      placeholder === undefined || flag.negated ? '' : bare === undefined ? ` <${placeholder}>` : ` [${placeholder}]`
    const aliases = (flag.aliases ?? []).map((alias) => `--${alias}`).join(', ')
    const notes = [
      required ? 'required' : '',
      shown === undefined ? '' : `default: ${shown}`,
      aliases && `also ${aliases}`,
    ].filter(Boolean)
    super(`${name}${value}`, notes.length > 0 ? `${flag.help} (${notes.join('; ')})` : flag.help)
    if (bare !== undefined) this.preset(bare)
    if (flag.group !== undefined) this.helpGroup(flag.group)
    if (value !== '') {
      this.argParser((typed: string, previous: unknown) => {
        const parsed = parseValue(flag, name, typed)
        return flag.join && previous !== undefined ? flag.join(previous, parsed) : parsed
      })
    }
  }

  override attributeName(): string {
    return this.key
  }
}

/** Adds a command to `parent`. */
export function defineCommand<F extends Flags>(parent: Command, io: Session, spec: CommandSpec<F>): Command {
  const flags: Flags = { ...spec.flags, ...common }
  const command = parent.command(spec.name)
  for (const [key, flag] of Object.entries(flags)) {
    command.addOption(new FlagOption(key, flagName(key, flag), flag))
    for (const alias of flag.aliases ?? []) command.addOption(new FlagOption(key, `--${alias}`, flag).hideHelp())
  }
  command.addHelpText(
    'after',
    `\nExample${spec.examples.length > 1 ? 's' : ''}:\n${spec.examples.map((line) => `  $ jora ${line}\n`).join('')}`,
  )
  if (spec.argument) command.argument(`<${spec.argument.name}>`, spec.argument.help)
  command.action(async () => {
    const typed = command.opts<Record<string, unknown>>()
    const given = new Set(Object.keys(flags).filter((key) => command.getOptionValueSource(key) === 'cli'))
    const fromFile = given.has('config')
      ? await (
          await import('./config-file')
        ).readConfigFile(String(typed.config), { ...spec.flags, json: common.json }, (file, path) =>
          spec.readConfig ? spec.readConfig(file, path, given, io) : file,
        )
      : new Map<string, unknown>()
    const values: Record<string, unknown> = {}
    for (const [key, flag] of Object.entries(flags)) {
      values[key] = given.has(key) ? typed[key] : fromFile.has(key) ? fromFile.get(key) : flag.fallback
      if (flag.required && values[key] === undefined)
        throw new UsageError(
          `${flagName(key, flag)} ${flag.placeholder} is required (${program(io)} ${pathOf(command)} --help)`,
        )
    }
    for (const key of fromFile.keys()) given.add(key)
    await spec.run(values as ValuesOf<F>, { io, given, json: values.json === true, argument: command.args[0] ?? '' })
  })
  return command
}

/** `data preview` for the command of that name. */
const pathOf = (command: Command): string =>
  command.parent?.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
