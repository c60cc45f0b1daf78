// The model card of an adapter, a merged model or GGUF files: README.md with the metadata block the Hub reads.

/** What a model card says. */
export interface CardInfo {
  readonly kind: 'adapter' | 'model' | 'gguf' | 'gguf-adapter'
  /** What it is called; a repository's name. */
  readonly title: string
  /** Hub id it will have; commands name it. */
  readonly repo?: string | undefined
  /** Hub id of the base model; absent where it has none, or none is known. */
  readonly baseModel?: string | undefined
  /** The Hub's identifier of a licence, such as `apache-2.0`. */
  readonly license?: string | undefined
  /** Hub ids. */
  readonly datasets?: readonly string[] | undefined
  /** GGUF files, by name. */
  readonly ggufFiles?: readonly string[] | undefined
  /** For adapters and merged models. */
  readonly lora?: CardLora | undefined
  /** Where a model's own weights were trained, and no adapter: which of them. */
  readonly whole?: string | undefined
  /** How positions were stretched for the training: the `rope_type` of config.json, and by how much. */
  readonly ropeScaling?: { readonly type: string; readonly factor: number } | undefined
  /** For what was trained by JORA. */
  readonly training?: CardTraining | undefined
}

/** The adapter's settings. */
export interface CardLora {
  readonly r: number
  readonly alpha: number
  readonly targetModules: readonly string[]
  /** In [0, 1), during training. */
  readonly dropout?: number | undefined
  /** Whether the scale is alpha / √r. */
  readonly useRslora?: boolean | undefined
  /** Whether the lengths of the weights' rows are trained too (DoRA). */
  readonly useDora?: boolean | undefined
}

/** What is known of the run; the card leaves out what is not. */
export interface CardTraining {
  /** Version of JORA that trained it. */
  readonly joraVersion?: string | undefined
  /** Name of the dataset file. */
  readonly datasetFile?: string | undefined
  /** Name of the template. */
  readonly promptTemplate?: string | undefined
  /** Training samples. */
  readonly samples?: number | undefined
  /** Distinct contexts of the samples; fewer than they where questions share one. */
  readonly contexts?: number | undefined
  /** Computed over the whole run, padding included. */
  readonly tokens?: number | undefined
  /** Optimiser steps taken. */
  readonly steps?: number | undefined
  /** Epochs taken, as a decimal number. */
  readonly epochs?: number | undefined
  /** Samples of an optimiser step: batch size times gradient accumulation. */
  readonly samplesPerStep?: number | undefined
  /** The highest of the schedule. */
  readonly learningRate?: number | undefined
  /** Name of the learning-rate schedule. */
  readonly scheduler?: string | undefined
  /** In tokens. */
  readonly maxSeqLength?: number | undefined
  /** Of everything random. */
  readonly seed?: number | undefined
  /** Mean over the labelled tokens of the last step, in nats. */
  readonly finalLoss?: number | undefined
  /** Mean over the labelled tokens of the held-out samples, in nats. */
  readonly evalLoss?: number | undefined
}

const plain = /^[A-Za-z][\w.-]*(\/[\w.-]+)?$/
const reserved = /^(true|false|yes|no|on|off|y|n|null)$/i

/** A string as YAML: plain where that is safe, else as JSON, which is YAML too. */
const scalar = (text: string): string => (plain.test(text) && !reserved.test(text) ? text : JSON.stringify(text))

const list = (key: string, values: readonly string[]): string[] =>
  values.length === 0 ? [] : [`${key}:`, ...values.map((value) => `  - ${scalar(value)}`)]

const kinds: Readonly<Record<CardInfo['kind'], { library: string; relation: string; what: string }>> = {
  adapter: { library: 'peft', relation: 'adapter', what: 'A LoRA adapter' },
  model: {
    library: 'transformers',
    relation: 'finetune',
    what: 'A fine-tuned model: a LoRA adapter merged into its base',
  },
  gguf: { library: 'gguf', relation: 'quantized', what: 'A model in GGUF, for llama.cpp and what builds on it' },
  'gguf-adapter': { library: 'gguf', relation: 'adapter', what: 'A LoRA adapter in GGUF, for llama.cpp' },
}

function metadata(info: CardInfo): string[] {
  const { kind, baseModel, license, datasets = [], training } = info
  const isRaft =
    training?.contexts !== undefined && training.samples !== undefined && training.contexts < training.samples
  return [
    ...(baseModel === undefined
      ? []
      : [`base_model: ${scalar(baseModel)}`, `base_model_relation: ${kinds[kind].relation}`]),
    `library_name: ${kinds[kind].library}`,
    license === undefined ? '# license: that of the base model; name it here' : `license: ${scalar(license)}`,
    'pipeline_tag: text-generation',
    ...list('datasets', datasets),
    ...list('tags', [
      ...(info.whole === undefined ? ['lora'] : []),
      'jora',
      ...(isRaft ? ['raft'] : []),
      ...(kinds[kind].library === 'gguf' ? ['gguf'] : []),
    ]),
  ]
}

const count = (n: number): string => n.toLocaleString('en-US')

/** Text between backticks: one line, whatever it holds. */
const code = (text: string): string => `\`${text.replace(/[`\s]+/g, ' ').trim()}\``

/** Rows of what is known, as a Markdown list. */
function trainingLines({ lora, whole, ropeScaling, training = {} }: CardInfo): string[] {
  const { samples, contexts, epochs, steps, samplesPerStep, learningRate, scheduler } = training
  const modules = lora?.targetModules.map(code).join(', ')
  const scale = lora && `rank ${lora.r}, alpha ${lora.alpha}${lora.useRslora ? ', rank-stabilised (rsLoRA)' : ''}`
  const dropout = lora?.dropout ? `, dropout ${lora.dropout}` : ''
  const shared =
    contexts !== undefined && samples !== undefined && contexts < samples ? ` on ${count(contexts)} contexts` : ''
  const rows: [label: string, value: string | undefined][] = [
    [lora?.useDora ? 'DoRA' : 'LoRA', lora && `${scale}${dropout}, on ${modules}`],
    ['Trained', whole],
    ['Dataset', training.datasetFile && code(training.datasetFile)],
    ['Samples', samples === undefined ? undefined : `${count(samples)}${shared}`],
    ['Tokens', training.tokens === undefined ? undefined : `${count(training.tokens)} computed`],
    ['Epochs', epochs === undefined ? undefined : String(epochs)],
    ['Optimiser steps', steps === undefined ? undefined : count(steps)],
    ['Samples a step', samplesPerStep === undefined ? undefined : count(samplesPerStep)],
    ['Learning rate', learningRate === undefined ? undefined : `${learningRate}${scheduler ? `, ${scheduler}` : ''}`],
    ['Longest sample', training.maxSeqLength === undefined ? undefined : `${count(training.maxSeqLength)} tokens`],
    ['Positions', ropeScaling && `stretched by ${ropeScaling.factor} (${ropeScaling.type})`],
    ['Prompt', training.promptTemplate && `the ${training.promptTemplate} template`],
    ['Seed', training.seed === undefined ? undefined : String(training.seed)],
    ['Last training loss', training.finalLoss?.toFixed(4)],
    ['Held-out loss', training.evalLoss?.toFixed(4)],
    ['JORA', training.joraVersion],
  ]
  return rows.flatMap(([label, value]) => (value === undefined ? [] : [`- ${label}: ${value}`]))
}

const fence = (language: string, lines: readonly string[]): string => `\`\`\`${language}\n${lines.join('\n')}\n\`\`\``

/** Python that stretches the positions of the base as the adapter was trained on it. */
function stretchedConfig(base: string, { type, factor }: NonNullable<CardInfo['ropeScaling']>): string[] {
  const bounds = type === 'llama3' ? ', "low_freq_factor": 1.0, "high_freq_factor": 4.0' : ''
  return [
    `config = AutoConfig.from_pretrained(${base})`,
    'length = config.max_position_embeddings',
    `config.rope_parameters |= {"rope_type": "${type}", "factor": ${factor}, "original_max_position_embeddings": length${bounds}}`,
    `config.max_position_embeddings = int(length * ${factor})`,
  ]
}

function usage({ kind, title, repo, baseModel, ropeScaling, training, ggufFiles = [] }: CardInfo): string[] {
  const [here, base] = [repo ?? title, baseModel ?? 'BASE_MODEL']
  const [python, shell] = [(lines: string[]) => fence('python', lines), (lines: string[]) => fence('bash', lines)]
  const quoted = (text: string) => JSON.stringify(text)
  const word = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)
  const asks =
    training?.promptTemplate === undefined || training.promptTemplate === 'none' ? '--prompt "…"' : '--instruction "…"'
  const fetched = repo === undefined ? [] : [`hf download ${word(repo)} --local-dir ${word(title)}`]
  if (kind === 'adapter') {
    const load = ropeScaling
      ? [
          'from peft import PeftModel',
          'from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer',
          '',
          ...stretchedConfig(quoted(base), ropeScaling),
          `model = AutoModelForCausalLM.from_pretrained(${quoted(base)}, config=config)`,
          `model = PeftModel.from_pretrained(model, ${quoted(here)})`,
        ]
      : [
          'from peft import AutoPeftModelForCausalLM',
          'from transformers import AutoTokenizer',
          '',
          `model = AutoPeftModelForCausalLM.from_pretrained(${quoted(here)})`,
        ]
    return [
      'With PEFT:',
      python([...load, `tokenizer = AutoTokenizer.from_pretrained(${quoted(base)})`]),
      'With JORA:',
      shell([...fetched, `jora generate --model ${word(base)} --adapter ${word(title)} ${asks}`]),
    ]
  }
  if (kind === 'model') {
    return [
      'With transformers:',
      python([
        'from transformers import AutoModelForCausalLM, AutoTokenizer',
        '',
        `model = AutoModelForCausalLM.from_pretrained(${quoted(here)})`,
        `tokenizer = AutoTokenizer.from_pretrained(${quoted(here)})`,
      ]),
      'With JORA:',
      shell([`jora generate --model ${word(here)} ${asks}`]),
    ]
  }
  const file = ggufFiles[0] ?? 'FILE.gguf'
  const from = repo === undefined ? `-m ${word(file)}` : `--hf-repo ${word(repo)} --hf-file ${word(file)}`
  return kind === 'gguf'
    ? ['With llama.cpp:', shell([`llama-cli ${from} -p "…"`])]
    : [
        'With llama.cpp, on the base model in GGUF:',
        shell([
          ...fetched,
          `llama-cli -m BASE.gguf --lora ${word(repo === undefined ? file : `${title}/${file}`)} -p "…"`,
        ]),
      ]
}

/** The text of README.md: YAML metadata that the Hub reads, then what `info` says, and nothing beyond it. */
export function modelCard(info: CardInfo): string {
  const { kind, title, baseModel } = info
  const of = baseModel === undefined ? '' : ` of [${baseModel}](https://huggingface.co/${baseModel})`
  const ofModel =
    info.whole !== undefined ? 'A fine-tuned model' : baseModel === undefined ? 'A language model' : undefined
  const what = (kind === 'model' ? ofModel : undefined) ?? kinds[kind].what
  const training = trainingLines(info)
  const sections = [
    ['---', ...metadata(info), '---'].join('\n'),
    `# ${title.replace(/\s+/g, ' ')}`,
    `${what}${kind === 'adapter' || kind === 'gguf-adapter' ? of.replace(' of ', ' for ') : of}, made with JORA.`,
    '## Use',
    ...usage(info),
    ...(training.length === 0 ? [] : ['## Training', training.join('\n')]),
  ]
  return `${sections.join('\n\n')}\n`
}
