// The settings of a run as a person meets them: a label, a sentence, a kind of control, a place.
import type { RunSettings } from '@jora/gui/client'

/** What is chosen in the settings section: all but the model and the data. */
export type SettingKey = Exclude<keyof RunSettings, 'model' | 'dataset'>

export type FieldGroup = 'basic' | 'adapter' | 'learning' | 'rows' | 'saving' | 'device'

export interface SettingField {
  readonly label: string
  /** What it does, in a sentence or two. */
  readonly about: string
  readonly group: FieldGroup
  readonly control:
    | { readonly kind: 'integer' | 'number'; readonly empty?: string }
    | { readonly kind: 'choice'; readonly options: Readonly<Record<string, string>> }
    | { readonly kind: 'toggle' }
    | { readonly kind: 'names' }
    | { readonly kind: 'text'; readonly placeholder?: string }
    | { readonly kind: 'path'; readonly use: 'dataset' | 'adapter' }
}

export const groupTitles: Readonly<Record<Exclude<FieldGroup, 'basic'>, string>> = {
  adapter: 'Adapter: what is trained beside the model',
  learning: 'Learning',
  rows: 'Rows and prompts',
  saving: 'Measuring and saving',
  device: 'Device',
}

const integer = { kind: 'integer' } as const
const number = { kind: 'number' } as const

export const fields: Readonly<Record<SettingKey, SettingField>> = {
  numEpochs: {
    label: 'Passes over the data',
    about: 'How often each row is learned (epochs). More fits the data better, too many learn it by heart.',
    group: 'basic',
    control: integer,
  },
  learningRate: {
    label: 'Learning rate',
    about: 'How big each step of learning is. If the loss jumps up and down, take less; if it hardly falls, more.',
    group: 'basic',
    control: number,
  },
  loraR: {
    label: 'Rank',
    about: 'How much the adapter can hold (LoRA r). 8 to 32 is usual; more takes more memory.',
    group: 'basic',
    control: integer,
  },
  batchSize: {
    label: 'Batch size',
    about: 'Samples computed at once. More is faster and takes more memory.',
    group: 'basic',
    control: integer,
  },
  maxSeqLength: {
    label: 'Longest sample',
    about: 'In tokens, about three quarters of a word each. Longer samples take more memory.',
    group: 'basic',
    control: integer,
  },

  loraAlpha: {
    label: 'Alpha',
    about: 'How strongly the adapter counts: its part is multiplied by alpha / rank. As large as the rank is usual.',
    group: 'adapter',
    control: number,
  },
  loraDropout: {
    label: 'Dropout',
    about: 'Share of the adapter’s input that is left out at random in each step. It helps against learning by heart.',
    group: 'adapter',
    control: number,
  },
  targetModules: {
    label: 'Adapted layers',
    about: 'Names of the linear layers that get an adapter, with commas between. “all-linear” means every one.',
    group: 'adapter',
    control: { kind: 'names' },
  },
  useRslora: {
    label: 'Rank-stabilised scale',
    about: 'Divides alpha by the root of the rank instead (rsLoRA); worth it for ranks over 32.',
    group: 'adapter',
    control: { kind: 'toggle' },
  },
  initAdapter: {
    label: 'Start from an adapter',
    about: 'Folder of an adapter in PEFT’s format to go on from. Empty: a fresh one.',
    group: 'adapter',
    control: { kind: 'path', use: 'adapter' },
  },

  gradientAccumulationSteps: {
    label: 'Batches a step',
    about: 'Batches whose gradients are added up before the adapter changes. As a larger batch, without its memory.',
    group: 'learning',
    control: integer,
  },
  maxSteps: {
    label: 'At most this many steps',
    about: 'Ends the run earlier. Empty: all passes are made.',
    group: 'learning',
    control: { kind: 'integer', empty: 'all' },
  },
  lrScheduler: {
    label: 'How the learning rate falls',
    about: 'Along a cosine, in a straight line, or not at all.',
    group: 'learning',
    control: { kind: 'choice', options: { cosine: 'Cosine', linear: 'Straight line', constant: 'Not at all' } },
  },
  warmupSteps: {
    label: 'Warm-up steps',
    about: 'Steps in which the learning rate rises from nothing. It calms the start of long runs.',
    group: 'learning',
    control: integer,
  },
  warmupRatio: {
    label: 'Warm-up as a share',
    about: 'The same as a share of all steps, 0 to 1; used when no steps are given.',
    group: 'learning',
    control: number,
  },
  weightDecay: {
    label: 'Weight decay',
    about: 'Pulls the adapter’s numbers towards zero in each step (AdamW).',
    group: 'learning',
    control: number,
  },
  maxGradNorm: {
    label: 'Gradient clipping',
    about: 'Gradients larger than this are shortened to it, against sudden jumps. 0 switches it off.',
    group: 'learning',
    control: number,
  },
  adamBeta1: {
    label: 'Adam β₁',
    about: 'How long the direction of earlier steps is remembered.',
    group: 'learning',
    control: number,
  },
  adamBeta2: {
    label: 'Adam β₂',
    about: 'How long the size of earlier gradients is remembered.',
    group: 'learning',
    control: number,
  },
  adamEpsilon: {
    label: 'Adam ε',
    about: 'Keeps a division away from zero; rarely worth changing.',
    group: 'learning',
    control: number,
  },

  split: {
    label: 'Share that is learned',
    about: 'The rest of the rows is held out, to see how well the model does on what it has not seen.',
    group: 'rows',
    control: number,
  },
  onOverflow: {
    label: 'Samples that are too long',
    about: 'What happens to samples over the longest length.',
    group: 'rows',
    control: {
      kind: 'choice',
      options: { error: 'Stop and name them', drop: 'Leave them out', truncate: 'Shorten them' },
    },
  },
  promptTemplate: {
    label: 'Prompt',
    about:
      'What is written around instruction and input: Alpaca’s or RAFT’s text, the model’s own chat form, or nothing.',
    group: 'rows',
    control: {
      kind: 'choice',
      options: { auto: 'As fits', alpaca: 'Alpaca', raft: 'RAFT', chat: 'The model’s chat form', none: 'Nothing' },
    },
  },
  contextTemplate: {
    label: 'Documents',
    about: 'How the documents of a context are written: each marked as one, or plainly after another.',
    group: 'rows',
    control: { kind: 'choice', options: { auto: 'As fits', document: 'Marked', plain: 'Plain' } },
  },
  packing: {
    label: 'Shared contexts',
    about: 'Questions on the same context share its computation: the same result in less time.',
    group: 'rows',
    control: { kind: 'choice', options: { auto: 'Where it pays', tree: 'Always', none: 'Never' } },
  },
  shuffle: {
    label: 'Shuffle the rows',
    about: 'Another order in each pass.',
    group: 'rows',
    control: { kind: 'toggle' },
  },
  seed: {
    label: 'Seed',
    about: 'Decides everything random. The same seed and settings give the same adapter.',
    group: 'rows',
    control: integer,
  },
  alpacaMixFile: {
    label: 'General rows mixed in',
    about: 'A file of general instructions, so that the model keeps what it could do before. Empty: none.',
    group: 'rows',
    control: { kind: 'path', use: 'dataset' },
  },
  alpacaMix: {
    label: 'Share of general rows',
    about: 'How much of the training is drawn from that file, 0 to 1.',
    group: 'rows',
    control: number,
  },

  evalEvery: {
    label: 'Measure every … steps',
    about: 'How often the held-out rows are measured. Empty: after each pass.',
    group: 'saving',
    control: { kind: 'integer', empty: 'each pass' },
  },
  saveEvery: {
    label: 'Save every … steps',
    about: 'How often a checkpoint is kept, from which a run can go on. Empty: after each pass.',
    group: 'saving',
    control: { kind: 'integer', empty: 'each pass' },
  },

  device: {
    label: 'Device',
    about: 'What computes. “As fits” takes a GPU if there is one that is real hardware.',
    group: 'device',
    control: { kind: 'choice', options: { auto: 'As fits', cpu: 'CPU', webgpu: 'GPU (WebGPU)' } },
  },
  gpu: {
    label: 'Which GPU',
    about: 'A part of its name, where there are several.',
    group: 'device',
    control: { kind: 'text', placeholder: 'the fastest' },
  },
  deviceMemory: {
    label: 'Memory of the GPU',
    about: 'Such as 12GB, where it is not found out by itself.',
    group: 'device',
    control: { kind: 'text', placeholder: 'found out' },
  },
  dtype: {
    label: 'Numbers',
    about: 'What the model computes in. 16 bits take half the memory; the adapter itself is always trained in 32.',
    group: 'device',
    control: { kind: 'choice', options: { auto: 'As fits', f32: '32 bits (f32)', f16: '16 bits (f16)' } },
  },
  gradientCheckpointing: {
    label: 'Recompute activations',
    about: 'Computes parts twice instead of keeping them: about a third slower, and much less memory.',
    group: 'device',
    control: { kind: 'choice', options: { auto: 'When needed', on: 'Always', off: 'Never' } },
  },
  mesh: {
    label: 'Devices together',
    about: 'How the work is split: data=2 shares the rows, model=2 the layers. The picture below shows it.',
    group: 'device',
    control: { kind: 'text', placeholder: 'data=1,model=1' },
  },
}

export const settingKeys = Object.keys(fields) as SettingKey[]

/** run.json's names of what is called otherwise in a request. */
const otherNames: Readonly<Record<string, string>> = {
  model: 'Model',
  modelPath: 'Model',
  dataset: 'Data',
  epochs: fields.numEpochs.label,
  scheduler: fields.lrScheduler.label,
}

/** A setting's label, or its own name where it has none. */
export const labelOf = (key: string): string =>
  (fields as Readonly<Record<string, SettingField | undefined>>)[key]?.label ?? otherNames[key] ?? spaced(key)

/** Settings in the order of the table, the model and the data first, those without a place last. */
export function inOrder<T>(entries: readonly (readonly [string, T])[]): (readonly [string, T])[] {
  const order = ['Model', 'Data', ...settingKeys.map((key) => fields[key].label)]
  const place = (key: string) => (order.indexOf(labelOf(key)) + order.length + 1) % (order.length + 1)
  return [...entries].sort(([a], [b]) => place(a) - place(b))
}

/** `totalSteps` → `Total steps` */
function spaced(key: string): string {
  const words = key.replace(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}
