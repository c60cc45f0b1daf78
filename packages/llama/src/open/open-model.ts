// A model opened once: what its files say, and where its weights are. Nothing else reads a model's files.
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  createTokenizer,
  parseTokenizer,
  tokenizerFileNames,
  withinEmbedding,
  type Tokenizer,
  type TokenizerFiles,
} from '@jora/data'
import type { Device } from '@jora/tensor'
import type { Metadata, Quantisation, WeightSource } from '@jora/tensor/weights'
import { ModelError, parseConfig, parseModelJson, withStopIds, type DecoderConfig } from '../config/config'
import { folderModel, resolveModel, type ResolvedModel, type ResolveOptions } from '../hub'
import { indexName } from '../hub/select'
import { ggufFiles, openGgufFiles } from '../gguf/open'
import { tokenizerOf, type TokenizerParts } from '../gguf/vocabulary'
import { stretchRope, type RopeStretch } from '../config/stretch'
import type { Decoder } from '../model'
import { openCheckpoint, sameWeights, weightFiles, type OpenWeights } from './checkpoint'
import { chooseDType, wantedDType, type DTypeSetting } from './compute-dtype'
import { digestOf } from './digest'
import { readTexts } from './model-texts'
import { openPacked } from './packed-source'
import { packingOf } from './packed-weights'
import { uploadWeights } from './upload'
import { isLinear, quantisedPlan } from './quantised'
import { isBlocks, weightShapes } from './weights'

/** Which model it is: where its files are, and of the Hub its id and commit. */
export interface ModelRef extends ResolvedModel {
  /** As it was asked for. */
  readonly name: string
  /** What to open for this very model: its folder, or its (first) GGUF file. */
  readonly path: string
}

/** What a model's small files say. */
export interface ModelDescription {
  readonly ref: ModelRef
  readonly config: DecoderConfig
  /**
   * Its tokenizer, made when it is first asked for. Texts that hold a token beyond the model's embedding are refused.
   * @throws Error naming the file, when there is no tokenizer.json or it is none
   */
  readonly tokenizer: Tokenizer
  /** The Jinja source of its chat template. */
  readonly chatTemplate: string | undefined
  /** Ids that end an answer: the model's, and the tokenizer's EOS. */
  readonly stopIds: readonly number[]
  /** Of a GGUF model, what its header says. */
  readonly gguf?: GgufDescription | undefined
  /** What a user should know of its files, a sentence each. */
  readonly warnings: readonly string[]
}

/** What the header of a GGUF model says, beside its configuration. */
export interface GgufDescription {
  readonly metadata: Metadata
  /** The tokenizer that it describes, as the contents of tokenizer.json and tokenizer_config.json. */
  tokenizerFiles(): TokenizerParts
}

/** An open model. Close it when done (or declare it with `await using`); decoders that were made go on working. */
export interface OpenModel extends ModelDescription, AsyncDisposable {
  readonly weights: WeightSource
  /** How its linear layers are quantised as they are loaded. */
  readonly quantize: Quantisation | undefined
  /** SHA-256 of config.json and of samples of the weights: quick, and tells models apart. */
  digest(): Promise<string>
  /**
   * The same open files as a model with more positions; see `stretchRope`. Closing either closes them.
   * @throws ModelError as `stretchRope` does
   */
  stretched(stretch: RopeStretch): OpenModel
  /**
   * The decoder on `device`. Of `int8`, a model that is only asked has every matrix in 8 bits or fewer; one that is trained its linear
   * layers, by row where they are floats. Weights that a device can map stay in their files until a program uses them.
   * @param from where its weights come from, if not from its own files: those of a base that is another in some matrices
   * @throws ModelError when the device cannot compute in `dtype`, or naming a weight with values that are not finite
   */
  decoder(device: Device, dtype?: DTypeSetting, use?: 'asked' | 'trained', from?: WeightSource): Promise<Decoder>
}

const configName = 'config.json'
const generationName = 'generation_config.json'

class Description implements ModelDescription {
  readonly warnings: string[] = []
  #tokenizer: Tokenizer | undefined

  constructor(
    readonly ref: ModelRef,
    readonly config: DecoderConfig,
    /** What the digest begins with. */
    readonly configText: string,
    readonly makeTokenizer: () => Tokenizer,
    readonly gguf?: GgufDescription,
    /** How a folder's weights are packed, by its config.json. @throws ModelError for a way that is not read */
    readonly packing?: () => ReturnType<typeof packingOf>,
  ) {
    if (ref.ignoredIndex)
      this.warnings.push(
        `${join(ref.dir, indexName)} is not read: model.safetensors is beside it and is used, as transformers does; remove what is old`,
      )
  }

  get tokenizer(): Tokenizer {
    this.#tokenizer ??= withinEmbedding(this.makeTokenizer(), this.config.vocabSize)
    return this.#tokenizer
  }

  get chatTemplate(): string | undefined {
    return this.tokenizer.chatTemplate
  }

  get stopIds(): readonly number[] {
    const { eosId } = this.tokenizer
    return [...new Set([...this.config.eosTokenIds, ...(eosId === undefined ? [] : [eosId])])]
  }
}

class Opened extends Description implements OpenModel {
  constructor(
    description: Description,
    config: DecoderConfig,
    readonly weights: OpenWeights,
    readonly quantize: Quantisation | undefined,
  ) {
    super(description.ref, config, description.configText, description.makeTokenizer, description.gguf)
    if (quantize) this.warnings.push(...checkQuantize(quantize, this))
  }

  digest(): Promise<string> {
    return digestOf(this.configText, this.weights.files)
  }

  stretched(stretch: RopeStretch): OpenModel {
    return new Opened(this, stretchRope(this.config, stretch), this.weights, this.quantize)
  }

  async decoder(
    device: Device,
    setting: DTypeSetting = 'auto',
    use: 'asked' | 'trained' = 'trained',
    source: WeightSource = this.weights,
  ): Promise<Decoder> {
    const { config } = this
    const types = [...weightShapes(config).keys()].map((name) => source.entries.get(name)!.type)
    const wanted = wantedDType(
      setting,
      device,
      types.some((type) => type !== 'F32'),
    )
    const int8 = setting === 'int8' ? use : undefined
    const how = { device, dtype: wanted, check: true, quantize: this.quantize, int8 }
    const weights = await uploadWeights(source, config, how)
    // Blocks that were unpacked to f32 are computed in f32, whatever `auto` takes f32 weights for.
    const dtype = int8 || types.some(isBlocks) ? wanted : await chooseDType(setting, device, weights)
    return { config, weights, dtype }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.weights[Symbol.asyncDispose]())
  }
}

/**
 * What a user should know of quantising this model.
 * @throws ModelError when nothing of it can be
 */
function checkQuantize(method: Quantisation, { ref, config, weights }: Opened): string[] {
  const entries = [...weightShapes(config).keys()]
    .filter(isLinear)
    .map((name) => ({ name, ...weights.entries.get(name)! }))
  const blocks = entries.find(({ type }) => isBlocks(type))
  if (blocks)
    throw new ModelError(`quantize ${method}: ${ref.path} is quantised already (${blocks.type}); leave it out`)
  const left = entries.filter(({ name, ...entry }) => !quantisedPlan(name, entry, method))
  if (left.length === entries.length)
    throw new ModelError(
      `quantize ${method}: no linear layer of ${ref.path} has rows of whole blocks of 64 (${left[0]!.name} has ${left[0]!.shape[1]} columns); use int8`,
    )
  if (left.length === 0) return []
  return [
    `${left.length} of ${entries.length} linear layers stay as they are stored: their rows are not whole blocks of 64 (${left[0]!.name} has ${left[0]!.shape[1]} columns)`,
  ]
}

/** How {@link openModel} finds a model. */
export interface OpenModelOptions extends ResolveOptions {
  /** Quantise linear layers of floats as they are loaded, as bitsandbytes does (default: no). */
  readonly quantize?: Quantisation | undefined
  /** The name is a folder's: an error, and no request to the Hub, when there is no such folder (default false). */
  readonly local?: boolean
}

async function localModel(folder: string): Promise<ResolvedModel> {
  const found = await stat(folder).catch(() => undefined)
  if (!found) throw new ModelError(`model folder ${folder} does not exist`)
  if (!found.isDirectory()) throw new ModelError(`${folder} is a file, expected a model folder`)
  return folderModel(folder)
}

/** A model's folder or GGUF files, downloaded where that is what the name asks for. */
async function locate(
  name: string,
  options: OpenModelOptions,
): Promise<{ readonly ref: ResolvedModel; readonly gguf?: readonly string[] }> {
  const local = await ggufFiles(name)
  if (local) {
    const [first = ''] = local
    return { ref: { dir: dirname(first), files: local.map((path) => basename(path)) }, gguf: local }
  }
  const ref = options.local ? await localModel(name) : await resolveModel(name, options)
  return /\.gguf$/i.test(ref.files[0] ?? '') ? { ref, gguf: ref.files.map((file) => join(ref.dir, file)) } : { ref }
}

async function describe(name: string, ref: ResolvedModel): Promise<Description> {
  const texts = await readTexts(ref.dir, [...new Set([configName, generationName, ...tokenizerFileNames])])
  const path = join(ref.dir, configName)
  const text = texts.get(configName)
  if (text === undefined) throw new ModelError(`${path} does not exist`)
  const json = parseModelJson(text, path)
  const base = parseConfig(json, path)
  const generationText = texts.get(generationName)
  const generationPath = join(ref.dir, generationName)
  const generation = generationText === undefined ? undefined : parseModelJson(generationText, generationPath)
  const config = generation === undefined ? base : withStopIds(base, generation, generationPath)
  const files = { ...Object.fromEntries(texts), [configName]: json, [generationName]: generation } as TokenizerFiles
  return new Description(
    { ...ref, name, path: ref.dir },
    config,
    text,
    () => parseTokenizer(files, ref.dir),
    undefined,
    () => packingOf(json, path),
  )
}

/** The model in GGUF files, of which the header is read. */
async function openGgufModel(
  name: string,
  resolved: ResolvedModel,
  paths: readonly string[],
  quantize?: Quantisation,
): Promise<Opened> {
  const { config, metadata, weights } = await openGgufFiles(paths)
  const ref = { ...resolved, name, path: paths[0]! }
  const makeTokenizer = () => {
    const { tokenizerJson, configJson } = tokenizerOf(metadata)
    return createTokenizer(tokenizerJson, configJson, { name: paths[0]! })
  }
  const gguf = { metadata: metadata.metadata, tokenizerFiles: () => tokenizerOf(metadata) }
  return new Opened(new Description(ref, config, '', makeTokenizer, gguf), config, weights, quantize)
}

/**
 * What can be known of a model without its weights: config, tokenizer and chat template of a folder in Hugging Face
 * layout, a GGUF file, or a Hub id (`org/name`, `org/name/file.gguf`, `org/name:Q4_K_M`), downloaded on first use.
 * @throws HubError | ModelError | GgufError naming the file and key at fault
 */
export async function describeModel(name: string, options: OpenModelOptions = {}): Promise<ModelDescription> {
  const { ref, gguf } = await locate(name, options)
  if (!gguf) return await describe(name, ref)
  await using model = await openGgufModel(name, ref, gguf)
  return model
}

/**
 * Opens a model: a folder in Hugging Face layout, a GGUF file (or one part of a split set, or a folder with one), or a
 * Hub id (`org/name`, `org/name/file.gguf`, `org/name:Q4_K_M`), downloaded on first use. Each file is read once; of weight
 * files the headers alone.
 * @throws HubError | ModelError | SafetensorsError | GgufError naming the file and the key or tensor at fault
 */
export async function openModel(name: string, options: OpenModelOptions = {}): Promise<OpenModel> {
  const { ref: found, gguf } = await locate(name, options)
  if (gguf) return await openGgufModel(name, found, gguf, options.quantize)
  const description = await describe(name, found)
  const { ref, config } = description
  const paths = await weightFiles(ref.dir, ref.files)
  const packings = description.packing?.()
  const weights = packings
    ? await openPacked(ref.dir, paths, config, packings)
    : await openCheckpoint(ref.dir, paths, config)
  try {
    const opened = new Opened(description, await headOf(config, weights), weights, options.quantize)
    if (opened.config !== config)
      opened.warnings.push(
        `${weights.entries.get(headName)!.file} has an lm_head.weight that differs from the embedding, though config.json says they are tied: it is used as the head`,
      )
    return opened
  } catch (error) {
    await weights[Symbol.asyncDispose]()
    throw error
  }
}

const headName = 'lm_head.weight'

/** A head that is saved beside a tied embedding and differs from it is one of its own. */
async function headOf(config: DecoderConfig, weights: OpenWeights): Promise<DecoderConfig> {
  const embedding = 'model.embed_tokens.weight'
  const head = weights.entries.get(headName)
  if (!config.tiedHead || !head || head.shape.join() !== weights.entries.get(embedding)!.shape.join()) return config
  return (await sameWeights(weights, headName, embedding)) ? config : { ...config, tiedHead: false }
}
