// exportOllama: a folder from which `ollama create` makes a model that is asked as it was trained.
import { ConfigError } from '@jora/lora'
import { writeFileAtomic, writeFolderAtomic } from '@jora/tensor/files'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { exportGguf, type GgufOptions, type GgufResult } from './gguf/export'

/** The model's file in the folder. */
const modelFile = 'model.gguf'

/** How Ollama asks the model. */
export interface Modelfile {
  /** A Go template; see `goTemplate` of @jora/data. */
  readonly template: string
  /** Texts that end an answer. */
  readonly stops: readonly string[]
  /** Tokens of prompt and answer together; what is longer Ollama cuts. */
  readonly contextLength: number
}

/** What {@link exportOllama} reads, and where it writes. */
export interface OllamaOptions extends Omit<GgufOptions, 'output' | 'overwrite'> {
  /** The folder to make; there may be an empty one. */
  readonly outputDir: string
  readonly modelfile: Modelfile
}

/**
 * The text of a Modelfile. Answers are greedy, as `jora generate` gives them.
 *
 * @throws ConfigError for a template with three quotes in a row, which a Modelfile cannot hold
 */
export function modelfileText({ template, stops, contextLength }: Modelfile): string {
  if (template.includes('"""')) throw new ConfigError('the prompt template has """ in it, which no Modelfile can hold')
  return [
    `FROM ./${modelFile}`,
    `TEMPLATE """${template}"""`,
    ...stops.map((stop) => `PARAMETER stop ${JSON.stringify(stop)}`),
    'PARAMETER temperature 0',
    `PARAMETER num_ctx ${contextLength}`,
    '',
  ].join('\n')
}

/**
 * Writes a folder with the merged model as a GGUF file and a Modelfile beside it. The folder appears whole or not at all.
 *
 * @throws ConfigError for a folder that is not empty, or a template that no Modelfile can hold; as {@link exportGguf} does
 */
export async function exportOllama({ outputDir, modelfile, ...options }: OllamaOptions): Promise<GgufResult> {
  const text = modelfileText(modelfile)
  const there = await readdir(outputDir).catch(() => [])
  if (there.length > 0) throw new ConfigError(`output ${outputDir} is not empty; choose a new folder`)
  let written: GgufResult | undefined
  await writeFolderAtomic(
    outputDir,
    async (folder) => {
      written = await exportGguf({ ...options, output: join(folder, modelFile) })
      await writeFileAtomic(join(folder, 'Modelfile'), text)
    },
    { onlyEmpty: true },
  )
  return { ...written!, output: outputDir }
}
