// jora export: a model with its adapter, or the adapter alone, in the formats other programs load.
import type { Command } from 'commander'
import {
  checkGguf,
  checkGgufAdapter,
  checkMerged,
  checkPeft,
  compareWithLlamaCpp,
  ExportError,
  exportGguf,
  exportGgufAdapter,
  exportOllama,
  ggufFileTypes,
  mergeAdapter,
  modelCard,
  readCardInfo,
  type GgufFileType,
} from '@jora/hf-export'
import type { ModelDescription } from '@jora/llama'
import { importAdapter } from '@jora/lora'
import { isStream } from '@jora/tensor/files'
import { openCpuDevice } from '@jora/tensor/onnx'
import { basename, join } from 'node:path'
import { UsageError } from '../../errors'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { choice, required, text, toggle, type ValuesOf } from '../../flags/flag'
import type { Session } from '../../io'
import { adapterFlag, modelFlag } from '../../flags/model-flags'
import { describeBase } from '../../open-base'
import { lossCost } from '../../loss-cost'
import { modelfileOf } from '../../modelfile'
import { bytes, plural, shellWord } from '../../ui/format'
import { bar, StatusLine } from '../../ui/status-line'
import { program } from '../../ui/next-command'
import { styleFor } from '../../ui/style'

const dtypes = ggufFileTypes
type DType = GgufFileType

const flags = {
  format: required(
    choice(
      'hf: a merged Hugging Face folder; peft: the adapter; gguf: the merged model for llama.cpp; ollama: the same with a Modelfile; gguf-lora: the adapter for llama.cpp',
      ['hf', 'peft', 'gguf', 'ollama', 'gguf-lora'],
    ),
  ),
  model: modelFlag,
  adapter: adapterFlag,
  output: required(text('the folder to make (hf, peft, ollama) or the file (gguf, gguf-lora)', 'DIR or FILE')),
  dtype: choice('number format of the weights', dtypes, { shown: 'hf: as stored; gguf, ollama: f16; gguf-lora: f32' }),
  check: choice(
    'read it back and compare everything in it, and measure what quantising costs; with llamacpp, also run the GGUF file in node-llama-cpp',
    ['files', 'llamacpp'],
    {
      bare: 'files',
    },
  ),
  overwrite: toggle('replace an existing GGUF file'),
}
type Values = ValuesOf<typeof flags>
type Format = Values['format'] & string

/** What each format can be written as, and whether it needs an adapter. */
const formats: Readonly<Record<Format, { readonly dtypes: readonly DType[]; readonly needsAdapter: boolean }>> = {
  hf: { dtypes: ['f32', 'f16', 'bf16'], needsAdapter: false },
  peft: { dtypes: [], needsAdapter: true },
  gguf: { dtypes, needsAdapter: false },
  ollama: { dtypes, needsAdapter: false },
  'gguf-lora': { dtypes: ['f32', 'f16', 'bf16'], needsAdapter: true },
}

export function registerExport(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'export',
    flags,
    examples: [
      'export --format gguf --model models/llama --adapter out --output llama-notes.gguf --dtype q4_k_m --check',
      'export --format hf --model models/llama --adapter out --output merged',
    ],
    run: exportModel,
  })
}

function checkValues({ format, adapter, dtype, check, overwrite, output }: Values): void {
  const { dtypes: allowed, needsAdapter } = formats[format as Format]
  if (needsAdapter && adapter === undefined) throw new UsageError(`--format ${format} needs --adapter`)
  if (dtype !== undefined && !allowed.includes(dtype))
    throw new UsageError(
      `--dtype ${dtype} is not for --format ${format}, ${allowed.length === 0 ? 'which is always float32' : `expected ${allowed.join(', ')}`}`,
    )
  const isGguf = format === 'gguf' || format === 'gguf-lora'
  if (check === 'llamacpp' && format !== 'gguf')
    throw new UsageError('--check llamacpp runs a whole model: it is for --format gguf')
  if (check !== undefined && isStream(output))
    throw new UsageError(`--check reads the export back, but ${output} is not a file`)
  if (overwrite && !isGguf) throw new UsageError('--overwrite is for GGUF files; a folder must be new or empty')
}

/** What was written: for --json, and as a line. */
interface Written {
  readonly result: Readonly<Record<string, unknown>>
  readonly said: string
  readonly next: string
  readonly notes: readonly string[]
}

/** What an export works from: the model's folder, and the adapter's. */
interface Sources {
  readonly model: ModelDescription
  readonly modelDir: string
  readonly adapterDir: string | undefined
  /** As the user named it; the Hub id where it is one. */
  readonly baseModel: string
  readonly hubId: string | undefined
}

type Progress = (done: number, total: number) => void

async function writeExport(values: Values, sources: Sources, onProgress: Progress): Promise<Written> {
  const { output, dtype, overwrite } = values
  const { model, modelDir, adapterDir, baseModel, hubId } = sources
  const path = shellWord(output)
  const cardOf = async (kind: 'model' | 'adapter') => {
    const info = await readCardInfo(adapterDir ?? modelDir, hubId === undefined ? {} : { baseModel: hubId })
    return modelCard({ ...info, kind, title: basename(output) })
  }
  switch (values.format as Format) {
    case 'hf': {
      const type = dtype as 'f32' | 'f16' | 'bf16' | undefined
      const result = await mergeAdapter({
        modelDir,
        adapterDir,
        outputDir: output,
        dtype: type,
        card: await cardOf('model'),
        onProgress,
      })
      const merged = adapterDir === undefined ? '' : `${plural(result.mergedModules, 'module')} merged, `
      return {
        result: { ...result },
        said: `${merged}${plural(result.files.length, 'file')}, ${bytes(result.totalBytes)}`,
        next: `jora generate --model ${path} --prompt "…"`,
        notes: [],
      }
    }
    case 'peft': {
      const options = {
        inputDir: adapterDir!,
        model: sources.model.config,
        outputDir: output,
        baseModel,
        card: await cardOf('adapter'),
      }
      const { adapter, config } = await importAdapter(options)
      const modules = Object.keys(adapter)
      return {
        result: { outputDir: output, r: config.r, alpha: config.alpha, modules },
        said: `${plural(modules.length, 'module')}, rank ${config.r}, alpha ${config.alpha}`,
        next: `jora push --input ${path} --repo-id USER/NAME --dry-run`,
        notes: [],
      }
    }
    case 'gguf': {
      const { notes, ...result } = await exportGguf({
        modelDir,
        adapterDir,
        output,
        dtype,
        overwrite,
        onProgress,
      })
      return {
        result: { ...result, notes },
        said: `${plural(result.tensors, 'tensor')}, ${bytes(result.bytes)}`,
        next: `llama-cli -m ${path} -p "…"`,
        notes,
      }
    }
    case 'ollama': {
      const { modelfile, notes: said } = await modelfileOf(model, modelDir, adapterDir)
      const { notes, ...result } = await exportOllama({
        modelDir,
        adapterDir,
        outputDir: output,
        dtype,
        modelfile,
        onProgress,
      })
      return {
        result: { ...result, notes: [...said, ...notes] },
        said: `${plural(result.tensors, 'tensor')}, ${bytes(result.bytes)}, Modelfile`,
        next: `ollama create NAME -f ${shellWord(`${output}/Modelfile`)}`,
        notes: [...said, ...notes],
      }
    }
    case 'gguf-lora': {
      const type = dtype as 'f32' | 'f16' | 'bf16' | undefined
      const { notes, ...result } = await exportGgufAdapter({
        modelDir,
        adapterDir: adapterDir!,
        output,
        dtype: type,
        overwrite,
        onProgress,
      })
      return {
        result: { ...result, notes },
        said: `${plural(result.mergedModules, 'module')}, ${bytes(result.bytes)}`,
        next: `llama-cli -m BASE.gguf --lora ${path} -p "…"`,
        notes,
      }
    }
  }
}

/** Texts llama.cpp goes on from. */
const prompts = [
  'Once upon a time',
  'The capital of France is',
  'Question: What is 12 + 30?\nAnswer:',
  '“Größe”, said the fox: 3.5 km — or 2 mi?\n\n- ',
]

/** Nats that a token of llama.cpp's may be below JORA's likeliest where the weights are the same but for rounding. */
const largestGap: Readonly<Partial<Record<DType, number>>> = { f32: 0.1, f16: 0.1, bf16: 0.5 }

/** Reads the export back. @throws ExportError | GgufError at the first difference */
async function checkExport(
  values: Values,
  { model, modelDir, adapterDir }: Sources,
): Promise<Record<string, unknown> & { said: string }> {
  const { output, check, dtype = 'f16' } = values
  const folder = { modelDir, adapterDir, outputDir: output }
  const file = { modelDir, adapterDir, output }
  const report = {
    hf: () => checkMerged(folder),
    peft: () => checkPeft({ ...folder, adapterDir: adapterDir! }),
    gguf: () => checkGguf(file),
    ollama: () => checkGguf({ ...file, output: join(output, 'model.gguf') }),
    'gguf-lora': () => checkGgufAdapter({ ...file, adapterDir: adapterDir! }),
  }[values.format as Format]
  const { tensors, bytes: size, maxError } = await report()
  const rounding = maxError === 0 ? 'exact' : `rounded by at most ${maxError.toExponential(1)}`
  const read = `${plural(tensors, 'tensor')} read back, equal to the source, ${rounding}`
  const cost =
    (values.format === 'gguf' || values.format === 'ollama') && dtype.startsWith('q')
      ? await lossCost(values.format === 'gguf' ? output : join(output, 'model.gguf'), { modelDir, adapterDir })
      : undefined
  const said = cost === undefined ? read : `${read}\n        ${cost.said}`
  const found = { tensors, bytes: size, maxError, ...(cost?.loss && { loss: cost.loss }) }
  if (check !== 'llamacpp') return { ...found, said }

  const { tokenizer } = model
  const device = await openCpuDevice()
  try {
    const asked = prompts.map((prompt) => ({ text: prompt, ids: tokenizer.encode(prompt) }))
    const compared = await compareWithLlamaCpp({ modelDir, adapterDir, gguf: output, prompts: asked, device })
    if (compared.sameIds < compared.prompts)
      throw new ExportError(
        `${output}: llama.cpp reads ${compared.prompts - compared.sameIds} of ${compared.prompts} texts as different tokens`,
      )
    const limit = largestGap[dtype]
    if (limit !== undefined && compared.largestGap > limit)
      throw new ExportError(
        `${output}: a token of llama.cpp's is ${compared.largestGap.toFixed(3)} nats below the likeliest, expected at most ${limit}`,
      )
    const others =
      compared.largestGap === 0 ? '' : `, the others at most ${compared.largestGap.toFixed(3)} nats below it`
    const ran = `llama.cpp: ${compared.sameTokens} of ${compared.tokens} greedy tokens are the likeliest to JORA too${others}`
    return { ...found, llamaCpp: compared, said: `${said}\n        ${ran}` }
  } finally {
    await device.close()
  }
}

async function exportModel(values: Values, { io, json }: CommandContext<typeof flags>): Promise<void> {
  checkValues(values)
  const model = await describeBase(values.model, io)
  const { path: modelDir, id: hubId } = model.ref
  const sources: Sources = { model, modelDir, adapterDir: values.adapter, baseModel: hubId ?? values.model, hubId }
  const style = styleFor(io.stderr, io.env)
  const line = new StatusLine(io.stderr)
  try {
    const written = await writeExport(values, sources, (done, total) =>
      line.show(`${bar(done / total, 24, style)}  writing ${done}/${total}`),
    )
    line.clear()
    for (const note of written.notes) line.log(`${style.dim('note')}   ${note}`)
    line.log(`${style.green('done')}   ${written.said}`)
    let checked: Awaited<ReturnType<typeof checkExport>> | undefined
    if (values.check !== undefined) {
      line.show('checking')
      checked = await checkExport(values, sources)
      line.clear()
      line.log(`${style.green('checked')} ${checked.said}`)
    }
    if (json) {
      const { said: _said, ...check } = checked ?? { said: '' }
      io.stdout.write(`${JSON.stringify({ ...written.result, ...(checked && { check }) })}\n`)
      return
    }
    line.log(
      `\nIt is in ${style.bold(values.output)}. Next:\n  ${style.cyan(written.next.replace(/^jora /, `${program(io)} `))}`,
    )
  } finally {
    line.clear()
  }
}
