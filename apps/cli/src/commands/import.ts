// jora import: models and adapters of other programs in the layouts that every command reads.
import type { Command } from 'commander'
import { importLlama2c } from '@jora/llama'
import { importAdapter } from '@jora/lora'
import { UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { choice, required, text, type ValuesOf } from '../flags/flag'
import type { Io, Session } from '../io'
import { modelFlag, describeBase } from '../open-model'
import { program } from '../ui/next-command'
import { bytes, plural, shellWord } from '../ui/format'
import { bar, StatusLine } from '../ui/status-line'
import { styleFor } from '../ui/style'

const { required: _required, ...optionalModel } = modelFlag

const flags = {
  format: required(choice('what the input is: a model of llama2.c, or an adapter of mlx-lm', ['llama2c', 'mlx'])),
  input: required(text('llama2c: the .bin file with the weights; mlx: the adapter’s folder', 'FILE or DIR')),
  outputDir: required(text('where the model, or the adapter in PEFT layout, goes', 'DIR')),
  tokenizer: text('llama2c: its tokenizer.bin', 'FILE'),
  model: { ...optionalModel, help: `mlx: ${modelFlag.help}` },
}
type Values = ValuesOf<typeof flags>

export function registerImport(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'import',
    flags,
    examples: [
      'import --format llama2c --input stories15M.bin --tokenizer tokenizer.bin --output-dir models/stories15M',
      'import --format mlx --model models/llama --input adapters --output-dir my-adapter',
    ],
    run: (values, context) => (values.format === 'llama2c' ? importModel(values, context) : importMlx(values, context)),
  })
}

/** What both formats tell at the end. */
function tellDone({ stderr, env }: Io, done: string, where: string, next: string): void {
  const style = styleFor(stderr, env)
  stderr.write(`${style.green('done')}   ${done}\n\n${where} Next:\n  ${style.cyan(next)}\n`)
}

async function importModel(
  { input, tokenizer, model, outputDir }: Values,
  { io, json }: CommandContext<typeof flags>,
): Promise<void> {
  if (model !== undefined) throw new UsageError('--model is for --format mlx; with llama2c the model is the --input')
  const style = styleFor(io.stderr, io.env)
  const line = new StatusLine(io.stderr)
  const onProgress = (done: number, total: number) =>
    line.show(`${bar(done / total, 24, style)}  writing ${done}/${total}`)
  try {
    const { config, ...result } = await importLlama2c({ checkpoint: input, tokenizer, outputDir, onProgress })
    line.clear()
    if (json) {
      io.stdout.write(`${JSON.stringify(result)}\n`)
      return
    }
    const said = `${plural(config.layers, 'layer')}, ${plural(config.vocabSize, 'token')}, ${plural(result.files.length, 'file')}, ${bytes(result.totalBytes)}`
    const where = `The model is in ${style.bold(outputDir)}.${tokenizer === undefined ? ' It has no tokenizer: put a tokenizer.json there, or import it with --tokenizer.' : ''}`
    tellDone(io, said, where, `${program(io)} generate --model ${shellWord(outputDir)} --prompt "…"`)
  } finally {
    line.clear()
  }
}

async function importMlx(
  { input, tokenizer, model, outputDir }: Values,
  { io, json }: CommandContext<typeof flags>,
): Promise<void> {
  if (tokenizer !== undefined) throw new UsageError('--tokenizer is for --format llama2c; an adapter has no tokenizer')
  if (model === undefined) throw new UsageError('--format mlx needs --model, the model that the adapter is for')
  const { config: sizes, ref } = await describeBase(model, io)
  const options = { inputDir: input, model: sizes, outputDir, baseModel: ref.id ?? model }
  const { adapter, config } = await importAdapter(options)
  const modules = Object.keys(adapter)
  if (json) {
    const { r, alpha } = config
    io.stdout.write(`${JSON.stringify({ outputDir, r, alpha, modules })}\n`)
    return
  }
  const where = `The adapter is in ${styleFor(io.stderr, io.env).bold(outputDir)}.`
  const next = `${program(io)} generate --model ${shellWord(model)} --adapter ${shellWord(outputDir)} --prompt "…"`
  tellDone(io, `${plural(modules.length, 'module')}, rank ${config.r}, alpha ${config.alpha}`, where, next)
}
