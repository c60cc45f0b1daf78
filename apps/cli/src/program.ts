// The `jora` command: its commands, and one run of it.
import { Command, CommanderError } from 'commander'
import { version } from '../package.json'
import { registerBench } from './commands/bench'
import { registerChat } from './commands/chat'
import { registerDataImport } from './commands/data-import'
import { registerDataPreview } from './commands/data-preview'
import { registerDataRaft } from './commands/data-raft'
import { registerDevices } from './commands/devices'
import { registerDoctor } from './commands/doctor'
import { registerEstimate } from './commands/estimate'
import { registerEval } from './commands/eval'
import { registerExport } from './commands/export'
import { registerGenerate } from './commands/generate'
import { registerGui } from './commands/gui'
import { registerImport } from './commands/import'
import { registerMerge } from './commands/merge'
import { registerPush } from './commands/push'
import { registerQuickstart } from './commands/quickstart'
import { registerServe } from './commands/serve'
import { registerTrain } from './commands/train'
import { exitCode, reportError } from './errors'
import type { Io, Output, Session } from './io'
import { styleFor } from './ui/style'

/** A log has no width: long lines are wrapped for reading. */
const widthOfHelp = ({ isTTY, columns }: Output): number => (isTTY ? Math.min(120, columns) : 110)

/** `tellError` takes commander's own errors, each a line. */
function createProgram(io: Session, tellError: (line: string) => void): Command {
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
      '\nExample:\n  $ jora train --model models/llama --dataset rows.json --output-dir out\n\n`jora COMMAND --help` tells the flags of a command.',
    )
  registerQuickstart(program, io)
  registerGui(program, io)
  registerTrain(program, io)
  registerEval(program, io)
  registerGenerate(program, io)
  registerChat(program, io)
  registerServe(program, io)
  registerMerge(program, io)
  registerExport(program, io)
  registerImport(program, io)
  registerPush(program, io)
  const data = program.command('data').description('look at datasets')
  registerDataPreview(data, io)
  registerDataImport(data, io)
  registerDataRaft(data, io)
  registerDevices(program, io)
  registerDoctor(program, io)
  registerEstimate(program, io)
  registerBench(program, io)
  return program
}

/** Runs the command line once. @returns the exit code */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let told = ''
  try {
    await createProgram({ ...io, argv }, (line) => (told += line)).parseAsync([...argv], { from: 'user' })
    return exitCode.done
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, io)
    if (error.exitCode === 0) return exitCode.done
    const who = await io.turnToTell()
    io.stderr.write(told.replace(/^error: /, `error: ${who}`))
    return exitCode.usage
  }
}
