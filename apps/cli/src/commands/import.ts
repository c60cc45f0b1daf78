// jora import: models and adapters of other programs in the layouts that every command reads.
import type { Command } from 'commander'
import { mergeAdapter } from '@jora/hf-export'
import { importLlama2c } from '@jora/llama'
import { importAdapter } from '@jora/lora'
import { UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { choice, required, text, type ValuesOf } from '../flags/flag'
import type { Io, Session } from '../io'
import { modelFlag } from '../flags/model-flags'
import { describeBase } from '../open-base'
import { program } from '../ui/next-command'
import { bytes, plural, shellWord } from '../ui/format'
import { bar, StatusLine } from '../ui/status-line'
import { styleFor } from '../ui/style'

const { required: _required, ...optionalModel } = modelFlag

const flags = {
  format: required(
    choice('what the input is: a model in GGUF, one of llama2.c, or an adapter of mlx-lm', ['gguf', 'llama2c', 'mlx']),
  ),
  input: required(
    text('gguf: the file; llama2c: the .bin file with the weights; mlx: the adapter’s folder', 'FILE or DIR'),
  ),
  outputDir: required(text('where the model, or the adapter in PEFT layout, goes', 'DIR')),
  tokenizer: text('llama2c: its tokenizer.bin', 'FILE'),
  model: { ...optionalModel, help: `mlx: ${modelFlag.help}` },
  dtype: choice('gguf: number format of the weights', ['f32', 'f16', 'bf16'], { shown: 'as stored; f16 of blocks' }),
}
type Values = ValuesOf<typeof flags>

export function registerImport(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'import',
    flags,
    examples: [
      'import --format gguf --input model-Q4_K_M.gguf --output-dir models/mine',
      'import --format llama2c --input stories15M.bin --tokenizer tokenizer.bin --output-dir models/stories15M',
      'import --format mlx --model models/llama --input adapters --output-dir my-adapter',
    ],
    run: importAny,
  })
}

function importAny(values: Values, context: CommandContext<typeof flags>): Promise<void> {
  const { format, tokenizer, model, dtype } = values
  if (dtype !== undefined && format !== 'gguf') throw new UsageError('--dtype is for --format gguf')
  if (tokenizer !== undefined && format !== 'llama2c')
    throw new UsageError(
      `--tokenizer is for --format llama2c; ${format === 'gguf' ? 'a GGUF file has its own' : 'an adapter has no tokenizer'}`,
    )
  if (model !== undefined && format !== 'mlx')
    throw new UsageError(`--model is for --format mlx; with ${format} the model is the --input`)
  return { gguf: importGguf, llama2c: importModel, mlx: importMlx }[format as 'gguf' | 'llama2c' | 'mlx'](
    values,
    context,
  )
}

/** A GGUF file as a folder that transformers loads. */
async function importGguf(
  { input, outputDir, dtype }: Values,
  { io, json }: CommandContext<typeof flags>,
): Promise<void> {
  const style = styleFor(io.stderr, io.env)
  const line = new StatusLine(io.stderr)
  const onProgress = (done: number, total: number) =>
    line.show(`${bar(done / total, 24, style)}  writing ${done}/${total}`)
  try {
    const { ref, gguf } = await describeBase(input, io)
    if (!gguf) throw new UsageError(`--input ${input} is not a GGUF file`)
    const type = dtype as 'f32' | 'f16' | 'bf16' | undefined
    const result = await mergeAdapter({ modelDir: ref.path, outputDir, dtype: type, onProgress })
    line.clear()
    if (json) {
      io.stdout.write(`${JSON.stringify(result)}\n`)
      return
    }
    const said = `${plural(result.files.length, 'file')}, ${bytes(result.totalBytes)}`
    const where = `The model is in ${style.bold(outputDir)}.`
    tellDone(io, said, where, `${program(io)} generate --model ${shellWord(outputDir)} --prompt "…"`)
  } finally {
    line.clear()
  }
}

/** What all formats tell at the end. */
function tellDone({ stderr, env }: Io, done: string, where: string, next: string): void {
  const style = styleFor(stderr, env)
  stderr.write(`${style.green('done')}   ${done}\n\n${where} Next:\n  ${style.cyan(next)}\n`)
}

async function importModel(
  { input, tokenizer, outputDir }: Values,
  { io, json }: CommandContext<typeof flags>,
): Promise<void> {
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
  { input, model, outputDir }: Values,
  { io, json }: CommandContext<typeof flags>,
): Promise<void> {
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
