// Generation and tokens by llama.cpp itself, through node-llama-cpp where the user has installed it.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigError } from '@jora/lora'

/** What is called of node-llama-cpp 3. */
interface NodeLlamaCpp {
  getLlama(options: Readonly<Record<string, unknown>>): Promise<Llama>
}
interface Llama {
  loadModel(options: { modelPath: string; defaultContextFlashAttention: boolean }): Promise<LlamaModel>
}
interface Disposable {
  dispose(): Promise<void>
}
interface LlamaModel extends Disposable {
  tokenize(text: string, specialTokens?: boolean): number[]
  createContext(options: Readonly<Record<string, unknown>>): Promise<LlamaContext>
}
interface LlamaContext extends Disposable {
  getSequence(): {
    evaluate(tokens: readonly number[], options: Readonly<Record<string, unknown>>): AsyncGenerator<number>
  }
}

/** A model for llama.cpp, and where to find llama.cpp. */
export interface LlamaCppOptions {
  /** The model's GGUF file. */
  readonly gguf: string
  /** A GGUF adapter to lay over it. */
  readonly lora?: string | undefined
  /** Folder whose node_modules has node-llama-cpp; searched before those of JORA and the working directory. */
  readonly from?: string | undefined
}

/** What {@link greedyWithLlamaCpp} continues. */
export interface GreedyOptions extends LlamaCppOptions {
  /** The prompt; nothing is added to it. */
  readonly tokens: readonly number[]
  /** How many tokens to generate; an end-of-sequence token is one like any other. */
  readonly count: number
}

const packageName = 'node-llama-cpp'

/** @throws ConfigError telling how to install it when it is in none of the folders */
async function importLlamaCpp(from: string | undefined): Promise<NodeLlamaCpp> {
  const bases = [
    ...(from === undefined ? [] : [join(from, 'none.js')]),
    import.meta.url,
    join(process.cwd(), 'none.js'),
  ]
  for (const base of bases) {
    let path: string
    try {
      path = createRequire(base).resolve(packageName)
    } catch {
      continue
    }
    return (await import(pathToFileURL(path).href)) as NodeLlamaCpp
  }
  throw new ConfigError(
    `running a GGUF file needs ${packageName}, which is not installed: npm install ${packageName} in the folder you run JORA from`,
  )
}

/** By the folder that was asked for first: opening the library tries it in a process of its own, which takes a second. */
const opened = new Map<string | undefined, Promise<Llama>>()

/** llama.cpp on the CPU, by the prebuilt library only: nothing is compiled or fetched. */
function openLlamaCpp(from: string | undefined): Promise<Llama> {
  const known = opened.get(from)
  if (known) return known
  const opening = importLlamaCpp(from).then(({ getLlama }) =>
    getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: 'error' }),
  )
  opened.set(from, opening)
  opening.catch(() => opened.delete(from)) // it may be installed meanwhile
  return opening
}

async function withModel<T>({ gguf, from }: LlamaCppOptions, use: (model: LlamaModel) => Promise<T> | T): Promise<T> {
  const llama = await openLlamaCpp(from)
  const model = await llama.loadModel({ modelPath: gguf, defaultContextFlashAttention: false })
  try {
    return await use(model)
  } finally {
    await model.dispose() // and its contexts
  }
}

/**
 * The `count` tokens llama.cpp finds likeliest after `tokens`, one after another, with keys and values kept in float32.
 * @throws ConfigError when node-llama-cpp is not installed; its own errors for files it cannot load
 */
export async function greedyWithLlamaCpp(options: GreedyOptions): Promise<number[]> {
  const { lora, tokens, count } = options
  return withModel(options, async (model) => {
    const context = await model.createContext({
      contextSize: tokens.length + count + 8,
      sequences: 1,
      threads: 1,
      experimentalKvCacheKeyType: 'F32',
      experimentalKvCacheValueType: 'F32',
      ...(lora === undefined ? {} : { lora: { adapters: [{ filePath: lora, scale: 1 }] } }),
    })
    const ids: number[] = []
    if (count === 0) return ids
    for await (const id of context.getSequence().evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
      ids.push(id)
      if (ids.length === count) break
    }
    return ids
  })
}

/**
 * llama.cpp's ids of each text, by the vocabulary in the file; control tokens written out in a text are read as such.
 * @throws ConfigError when node-llama-cpp is not installed; its own errors for files it cannot load
 */
export async function tokenizeWithLlamaCpp(
  options: Omit<LlamaCppOptions, 'lora'> & { readonly texts: readonly string[] },
): Promise<number[][]> {
  return withModel(options, (model) => options.texts.map((text) => [...model.tokenize(text, true)]))
}
