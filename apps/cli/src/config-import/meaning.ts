// What a key of another tool's config means here.
import { stretchNames } from '@jora/llama'
import { textOf, type Written } from '../flags/config-text'
import type { trainFlags } from '../commands/train-settings'

export type FlagKey = keyof typeof trainFlags

/** Flags by name, as text; several for a list. */
export type Made = Partial<Record<FlagKey, string>>

/**
 * - `to`: a setting of ours, with the same value or, by `value`, with another; what that leaves undefined is not set.
 * - `make`: several settings; or, as a list, why there are none.
 * - `note`: it changes where or how fast a run computes, or what it reports, and not what is learned.
 * - `lack`: it changes what is learned and has no counterpart, unless its value is one of `fine`.
 */
export type Meaning =
  | { readonly to: FlagKey; readonly value?: (text: string) => string | undefined }
  /** `otherwise` is what is noted where nothing is made. */
  | { readonly make: (value: Written) => Made | readonly [why: string]; readonly otherwise?: string }
  | { readonly note: string }
  | { readonly lack: string; readonly fine?: readonly string[] }

export type Meanings = Readonly<Record<string, Meaning>>

/** A tool whose config files are read. */
export interface Tool {
  readonly title: string
  /** Keys that tell its files from those of others. */
  readonly marks: readonly string[]
  readonly keys: Meanings
  /** What it does where a file says nothing, as our flags. */
  readonly defaults: (given: Made) => Made
}

export const to = (key: FlagKey, value?: (text: string) => string | undefined): Meaning =>
  value ? { to: key, value } : { to: key }
export const lack = (meaning: string, ...fine: string[]): Meaning => ({ lack: meaning, fine })
export const note = (meaning: string): Meaning => ({ note: meaning })

const isOn = (text: string): boolean => ['true', 'yes', 'on', '1'].includes(text.toLowerCase())
export const isOff = (text: string): boolean => ['false', 'no', 'off', '0', 'none', ''].includes(text.toLowerCase())

/** The training share, of the share or the number that is held out. */
export const heldOut: Meaning = {
  make: (written) => {
    const share = Number(textOf(written))
    if (share >= 1) return [`${share} rows are held out; JORA needs a share: --split`]
    return { split: String(Number((1 - share).toFixed(12))) }
  },
}

/** The longest sample; the others cut longer ones, which has to be asked for here. */
export const longest: Meaning = {
  make: (written) => ({ maxSeqLength: textOf(written), onOverflow: 'truncate' }),
}

/** Optimisers by a part of their names; the first that fits. */
const optimisers = [
  [/schedule_?free/i, 'schedule_free_adamw'],
  [/adamw.*8bit/i, 'adamw_8bit'],
  [/adamw/i, undefined],
  [/lion/i, 'lion'],
  [/muon/i, 'muon'],
  [/^sgd/i, 'sgd'],
] as const

export const optimiser = {
  make: (written: Written): Made | readonly [why: string] => {
    const found = optimisers.find(([pattern]) => pattern.test(textOf(written)))
    if (!found) return [`the optimiser ${textOf(written)}; JORA has AdamW, SGD, Lion, schedule-free AdamW and Muon`]
    return found[1] === undefined ? {} : { optimizer: found[1] }
  },
} satisfies Meaning

const schedules: Readonly<Record<string, string>> = { constant_with_warmup: 'constant', warmup_stable_decay: 'wsd' }

export const scheduler: Meaning = {
  make: (written) => {
    const name = schedules[textOf(written)] ?? textOf(written)
    return ['cosine', 'linear', 'constant', 'cosine_with_restarts', 'wsd'].includes(name)
      ? { lrScheduler: name }
      : [`the schedule ${name}; JORA has cosine, cosine_with_restarts, linear, constant and wsd`]
  },
}

/** Where A and B begin, as PEFT's `init_lora_weights` says it. */
export const initialisation: Meaning = {
  make: (written) => {
    const name = textOf(written).toLowerCase()
    if (/^(true|)$/.test(name)) return {}
    if (['olora', 'loftq'].includes(name) || name.startsWith('pissa')) return { initLoraWeights: name.slice(0, 5) }
    return [`the initialisation ${name}; JORA has the default, pissa, olora and loftq`]
  },
}

/** Modules that are trained whole. */
export const wholeModules: Meaning = {
  make: (written) => {
    const items = Array.isArray(written.value) ? (written.value as readonly Written[]) : [written]
    const names = items
      .flatMap((item) => textOf(item).split(/[\s,]+/))
      .filter(Boolean)
      .map((name) => name.split('.').at(-1)!)
    const other = names.find((name) => !['embed_tokens', 'lm_head'].includes(name))
    return other === undefined
      ? { modulesToSave: names.join(',') }
      : [`${other} trained whole; JORA trains embed_tokens and lm_head so`]
  },
}

/** Positions that are stretched: the name of a kind, or an object with its type and factor, as config.json has it. */
export const stretchedPositions = {
  make: (written: Written): Made | readonly [why: string] => {
    const { value } = written
    const keys = value instanceof Map ? (value as ReadonlyMap<string, Written>) : undefined
    const type = keys ? (keys.get('rope_type') ?? keys.get('type')) : written
    const name = type === undefined ? '' : textOf(type).toLowerCase()
    if (isOff(name) || name === 'null') return {}
    if (!stretchNames.some((own) => own === name))
      return [`positions stretched by ${name}; JORA has ${stretchNames.join(', ')}`]
    const factor = keys?.get('factor')
    return { ropeScaling: name, ...(factor && { ropeScalingFactor: textOf(factor) }) }
  },
} satisfies Meaning

export const checkpointing: Meaning = to('gradientCheckpointing', (text) => (isOn(text) ? 'on' : 'off'))
/** A number of steps where −1 and 0 mean none. */
const steps = (key: FlagKey): Meaning => to(key, (text) => (Number(text) > 0 ? text : undefined))

/** Rows that are learned in the order of the file. */
export const fileOrder: Meaning = to('shuffle', (text) => (isOn(text) ? 'false' : undefined))

export const numbers = note('the type of numbers; JORA chooses by device and weights (--dtype)')
export const reports = note('reports only')
/** Trackers that JORA writes for; of the others it writes what `jora runs` makes of a run. */
const tracker: Meaning = {
  make: (written) => (/tensorboard|all/.test(textOf(written)) ? { reportTo: 'tensorboard' } : {}),
  otherwise: 'reports only; to another tracker --report-to http passes events on',
}
export const speed = note('speed and memory only')
const quantised = (method: string): Meaning => to('quantize', (text) => (isOn(text) ? method : undefined))

/** What `transformers.TrainingArguments` has. */
export const trainingArguments = {
  output_dir: to('outputDir'),
  learning_rate: to('learningRate'),
  lr_scheduler_type: scheduler,
  warmup_steps: to('warmupSteps'),
  warmup_ratio: to('warmupRatio'),
  weight_decay: to('weightDecay'),
  adam_beta1: to('adamBeta1'),
  adam_beta2: to('adamBeta2'),
  adam_epsilon: to('adamEpsilon'),
  max_grad_norm: to('maxGradNorm'),
  optim: optimiser,
  num_train_epochs: to('numEpochs'),
  max_steps: steps('maxSteps'),
  per_device_train_batch_size: to('batchSize'),
  per_device_eval_batch_size: speed,
  gradient_accumulation_steps: to('gradientAccumulationSteps'),
  gradient_checkpointing: checkpointing,
  gradient_checkpointing_kwargs: speed,
  seed: to('seed'),
  data_seed: lack('a seed of the order alone; JORA has one seed'),
  eval_steps: to('evalEvery'),
  eval_strategy: note('when the held-out rows are measured; JORA does it each epoch or by --eval-every'),
  evaluation_strategy: note('when the held-out rows are measured; JORA does it each epoch or by --eval-every'),
  do_train: lack('no training', 'true'),
  do_eval: reports,
  save_steps: to('saveEvery'),
  save_strategy: note('when checkpoints are made; JORA does it each epoch or by --save-every'),
  save_total_limit: steps('saveTotalLimit'),
  load_best_model_at_end: to('loadBest'),
  eval_on_start: to('evalOnStart'),
  save_only_model: note('what checkpoints contain'),
  logging_steps: reports,
  logging_first_step: reports,
  logging_strategy: reports,
  logging_dir: reports,
  report_to: tracker,
  run_name: reports,
  plot_loss: reports,
  push_to_hub: note('JORA uploads by `jora push`'),
  hub_model_id: note('JORA uploads by `jora push`'),
  overwrite_output_dir: note('JORA refuses a folder that has a run'),
  resume_from_checkpoint: to('resume', (text) => (isOff(text) ? undefined : isOn(text) ? 'auto' : text)),
  bf16: numbers,
  fp16: numbers,
  tf32: numbers,
  ddp_timeout: speed,
  deepspeed: speed,
  dataloader_num_workers: speed,
  dataloader_pin_memory: speed,
  group_by_length: speed,
  train_sampling_strategy: {
    make: (written) =>
      textOf(written) === 'sequential'
        ? { shuffle: 'false' }
        : /^(random|group_by_length)$/.test(textOf(written))
          ? {}
          : ['samples drawn in another way'],
    otherwise: 'rows are shuffled, and those of similar length share a batch',
  },
  remove_unused_columns: speed,
  torch_compile: speed,
  use_liger_kernel: speed,
  neftune_noise_alpha: steps('neftuneAlpha'),
  loraplus_lr_ratio: to('loraPlusRatio'),
  label_smoothing_factor: lack('label smoothing', '0', '0.0'),
  metric_for_best_model: note('which checkpoint is the best one; JORA goes by the loss of held-out rows'),
  hub_strategy: note('JORA uploads by `jora push`'),
  average_tokens_across_devices: speed,
  trust_remote_code: note('JORA runs no code of models'),
} as const satisfies Meanings

/** What they all call alike of an adapter. */
export const adapterKeys = {
  lora_alpha: to('loraAlpha'),
  lora_dropout: to('loraDropout'),
  use_rslora: to('useRslora'),
  use_dora: to('useDora'),
  load_in_4bit: quantised('nf4'),
  load_in_8bit: quantised('int8'),
} as const satisfies Meanings
