// The `jora` command: its commands, and one run of it.
import { Command, CommanderError } from 'commander'
import { version } from '../package.json'
import { addCommands } from './commands'
import { exitCode, reportError } from './errors'
import type { Io, Output, Session } from './io'
import { styleFor } from './ui/style'

/** A log has no width: long lines are wrapped for reading. */
const widthOfHelp = ({ isTTY, columns }: Output): number => (isTTY ? Math.min(120, columns) : 110)

/** `tellError` takes commander's own errors, each a line. */
async function createProgram(io: Session, tellError: (line: string) => void): Promise<Command> {
  const program = new Command('jora')
  const style = styleFor(io.stdout, io.env)
  program
    .description('LoRA fine-tuning of Llama models: train, evaluate, generate, merge.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text) => tellError(`${text.trim().replace(/\n\(D/, ' (d').replaceAll('\n', ' ')}\n`),
      getOutHelpWidth: () => widthOfHelp(io.stdout),
      getErrHelpWidth: () => widthOfHelp(io.stderr),
      getOutHasColors: () => style.colours,
    })
    .configureHelp({
      minWidthToWrap: 30,
      // Without commander's own notes: the flag tables write theirs.
      optionDescription: (option) => option.description,

      styleTitle: (title) => style.bold(title),
      styleCommandText: (text) => style.cyan(text),
      styleSubcommandText: (text) => style.cyan(text),
      styleOptionText: (text) => style.cyan(text),
    })
    .addHelpText(
      'after',
      '\nExample:\n  $ jora train --model models/llama --dataset rows.json --output-dir out\n\n`jora COMMAND --help` lists the flags of a command.',
    )
  await addCommands(program, io)
  return program
}

/** Runs the command line once. @returns the exit code */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let told = ''
  try {
    const program = await createProgram({ ...io, argv }, (line) => (told += line))
    await program.parseAsync([...argv], { from: 'user' })
    return exitCode.done
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, io)
    if (error.exitCode === 0) return exitCode.done
    const who = await io.turnToTell()
    io.stderr.write(told.replace(/^error: /, `error: ${who}`))
    return exitCode.usage
  }
}
