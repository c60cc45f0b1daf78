// prompt.json beside an adapter: how it was trained to be asked, and on which base. PEFT ignores the file.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  askedIds,
  choosePromptTemplate,
  contextTemplateOf,
  parseJsonFile,
  parseTemplateJson,
  promptTemplate,
  promptTemplates,
  readTextIfThere,
  stopIdsOf,
  toJinja,
  type ContextTemplate,
  type PromptChoice,
  type PromptTemplate,
  type PromptTemplateName,
  type Row,
  type Tokenizer,
} from '@jora/data'
import { stretchNames, type OpenModel, type RopeStretch } from '@jora/llama'
import { writeJsonAtomic } from '@jora/tensor/files'
import { ConfigError } from '../settings/config-error'
import { adapterConfigFile } from './peft/peft-config'

/** The file beside an adapter that says how it is asked. */
export const promptFile = 'prompt.json'

/** The model that an adapter was trained on. */
export interface AdapterBase {
  /** Hub id, or the folder as it was given. */
  readonly model: string
  /** Commit, of a model from the Hub. */
  readonly revision?: string | undefined
  /** `digest()` of the open model. */
  readonly digest?: string | undefined
  /** How its positions were stretched, where they were. */
  readonly ropeScaling?: RopeStretch | undefined
}

/** What prompt.json says. */
export interface AdapterPrompt {
  readonly template: PromptTemplate
  /** Absent beside a merged model, which is its own base. */
  readonly base?: AdapterBase | undefined
}

type Json = Readonly<Record<string, unknown>>
const object = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** The JSON in a file; undefined where there is no file. @throws ConfigError when it is not JSON */
async function readJson(path: string): Promise<unknown> {
  const content = await readTextIfThere(path).catch((error: Error) => {
    throw new ConfigError(error.message)
  })
  return content === undefined ? undefined : parseJsonFile(content, path, ConfigError)
}

/** How prompt.json says that positions were stretched. */
function stretchOf(json: unknown, path: string): RopeStretch | undefined {
  if (json === undefined) return undefined
  const { type: said, factor } = object(json)
  const type = stretchNames.find((name) => name === said)
  if (type === undefined || typeof factor !== 'number' || !(factor > 1))
    throw new ConfigError(
      `${path}: "base.ropeScaling" is ${JSON.stringify(json)}, expected a type (${stretchNames.join(', ')}) and a factor > 1`,
    )
  return { type, factor }
}

/** Writes prompt.json into `folder`, whole or not at all. */
export const writePrompt = (folder: string, { template, base }: AdapterPrompt): Promise<void> =>
  writeJsonAtomic(join(folder, promptFile), { ...template, ...(base && { base }) })

/** The prompt.json of `folder`; undefined where there is none. @throws ConfigError naming the key at fault */
export async function readPrompt(folder: string): Promise<AdapterPrompt | undefined> {
  const path = join(folder, promptFile)
  const json = await readJson(path)
  if (json === undefined) return undefined
  const { model, revision, digest, ropeScaling } = object(object(json).base)
  try {
    const template = parseTemplateJson(json, path)
    if (text(model) === undefined) return { template }
    const stretch = stretchOf(ropeScaling, path)
    return {
      template,
      base: {
        model: text(model)!,
        revision: text(revision),
        digest: text(digest),
        ...(stretch && { ropeScaling: stretch }),
      },
    }
  } catch (error) {
    throw new ConfigError((error as Error).message)
  }
}

/**
 * Jinja source of how the adapter or merged model in `folder` is asked; undefined where it has no prompt.json.
 *
 * @throws ConfigError naming the key at fault
 */
export async function keptChatTemplate(folder: string): Promise<string | undefined> {
  const kept = await readPrompt(folder)
  return kept && toJinja(kept.template)
}

/** What {@link promptFor} decides by. */
export interface PromptSource {
  /** Folder of the adapter, if one is asked. */
  readonly adapter?: string | undefined
  /** Folder of the model. */
  readonly model: string
  readonly tokenizer: Tokenizer
  /** The user's choice (default `auto`). */
  readonly choice?: PromptChoice | undefined
  /** How documents are written, where the user says so; absent: as the template has it. */
  readonly documents?: ContextTemplate | undefined
  /** Rows that are asked, for `auto` without an adapter. */
  readonly rows?: readonly Row[] | undefined
}

/**
 * How a model is asked: by the user's choice, else by the adapter's prompt.json (or a merged model's), else as an
 * earlier version trained it, by its run.json. An adapter without either is asked in the Alpaca prompt, and `note` says
 * so; a model alone by its chat template if it has one.
 * @throws ConfigError | Error for a prompt.json that is wrong, or a chat template that is missing
 */
export async function promptFor({
  adapter,
  model,
  tokenizer,
  choice = 'auto',
  documents,
  rows = [],
}: PromptSource): Promise<{ readonly template: PromptTemplate; readonly note?: string }> {
  if (choice !== 'auto') return { template: promptTemplate(choice, tokenizer, documents) }
  const kept = await readPrompt(adapter ?? model)
  if (kept) return { template: documents === undefined ? kept.template : { ...kept.template, documents } }
  if (adapter === undefined) return { template: choosePromptTemplate('auto', rows, tokenizer, documents) }
  const { name, contextTemplate } = await runTemplate(adapter)
  const template = promptTemplate(name ?? 'alpaca', tokenizer, documents ?? contextTemplate)
  if (name !== undefined) return { template }
  const note = `${adapter} has no ${promptFile}, which would say how it was trained to be asked: it is asked in the alpaca template; --prompt-template chooses another`
  return { template, note }
}

/** What programs must know of a prompt that render its template and make the ids themselves. */
export interface PromptEnds {
  /** The token that ends an answer, where that is another than EOS. */
  readonly endOfTurn?: number | undefined
  /** Whether prompts begin with BOS; undefined where nobody was trained on them, and the tokenizer says it. */
  readonly bos?: boolean | undefined
}

/**
 * Where prompts of a model begin and answers end; nothing is known of those of a chat template that is no Jinja, or with a
 * tokenizer that cannot be read.
 */
export async function promptEnds(
  model: Pick<OpenModel, 'tokenizer'>,
  folders: Pick<PromptSource, 'adapter' | 'model'>,
): Promise<PromptEnds> {
  try {
    const { tokenizer } = model
    const { template } = await promptFor({ ...folders, tokenizer })
    const endOfTurn = stopIdsOf(template, tokenizer).find((id) => id !== tokenizer.eosId)
    const kept = await readPrompt(folders.adapter ?? folders.model)
    if (kept === undefined || tokenizer.bosId === undefined) return { endOfTurn }
    const { context, prompt } = askedIds({ question: '?' }, tokenizer, template)
    return { endOfTurn, bos: [...context, ...prompt][0] === tokenizer.bosId }
  } catch {
    return {}
  }
}

/** What run.json says, which earlier versions wrote without a prompt.json. */
async function runTemplate(folder: string) {
  const { settings } = object(await readJson(join(folder, 'run.json')))
  const { promptTemplate: named, contextTemplate: written } = object(settings)
  return {
    name: promptTemplates.find((known) => known === named),
    contextTemplate: contextTemplateOf(written),
  }
}

/**
 * The template that the run in `folder` was started with, by its prompt.json or, of an earlier version, its run.json;
 * undefined where neither names one.
 * @throws ConfigError for a prompt.json or run.json that cannot be read
 */
export const templateOfRun = async (folder: string): Promise<PromptTemplateName | undefined> =>
  (await readPrompt(folder))?.template.name ?? (await runTemplate(folder)).name

/**
 * The base that an adapter was trained on, as a name that `openModel` takes: a folder that exists, or a Hub id.
 * @throws ConfigError when the adapter names none
 */
export async function baseOfAdapter(adapter: string): Promise<AdapterBase> {
  const config = object(await readJson(join(adapter, adapterConfigFile)))
  const kept = (await readPrompt(adapter))?.base
  const named = text(config.base_model_name_or_path)
  const base = kept ?? (named === undefined ? undefined : { model: named, revision: text(config.revision) })
  // A relative folder was one of the place where the run began; its run.json has it in full.
  const { id, folder } = object(object(await readJson(join(adapter, 'run.json'))).model)
  const absolute = text(id) === undefined ? text(folder) : undefined
  const exists = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() ?? false
  if (absolute !== undefined && !(base !== undefined && (await exists(base.model))) && (await exists(absolute)))
    return { ...base, model: absolute }
  if (base === undefined) throw new ConfigError(`${adapter} does not name its base model; pass --model DIR`)
  return base
}

/**
 * Compares an open model with the base that `adapter` was trained on.
 *
 * @throws ConfigError naming both when they differ
 */
export async function checkBase(adapter: string, model: Pick<OpenModel, 'ref' | 'digest'>): Promise<void> {
  const base = (await readPrompt(adapter))?.base
  if (base?.digest === undefined || base.digest === (await model.digest())) return
  throw new ConfigError(
    `${adapter} was trained on ${base.model}, and ${model.ref.name} is another model: their files differ. Use that base, train on this one, or remove "base" from ${join(adapter, promptFile)} to try it all the same`,
  )
}

/** How the positions of the base were stretched for the adapter in `folder`; undefined where they were not. */
export const ropeStretchOf = async (folder: string): Promise<RopeStretch | undefined> =>
  (await readPrompt(folder))?.base?.ropeScaling

/**
 * The open base with as many positions as the adapter in `folder` was trained on; the model itself where those are its own.
 * @throws ConfigError for a prompt.json that cannot be read; ModelError for a base that cannot be stretched
 */
export async function baseAsTrained(model: OpenModel, folder: string): Promise<OpenModel> {
  const stretch = await ropeStretchOf(folder)
  return stretch === undefined ? model : model.stretched(stretch)
}

const told = (stretch: RopeStretch | undefined): string =>
  stretch === undefined ? 'positions as the model has them' : `positions stretched (${stretch.type} ${stretch.factor})`

/** @throws ConfigError naming the adapter in `folder` where it was trained on other positions than `expected`, which are those of `who` */
export async function checkStretch(folder: string, expected: RopeStretch | undefined, who: string): Promise<void> {
  const stretch = await ropeStretchOf(folder)
  if (told(stretch) !== told(expected))
    throw new ConfigError(`${folder} was trained with ${told(stretch)}; ${who} has ${told(expected)}`, 'ropeScaling')
}
