// Configs of mlx-lm's `mlx_lm.lora --config`.
import { textOf, type Written } from '../flags/config-text'
import {
  checkpointing,
  lack,
  longest,
  note,
  optimiser,
  reports,
  to,
  type Made,
  type Meaning,
  type Tool,
} from './meaning'

/** Rank, scale and modules; the scale is the factor itself, alpha / r. */
function parameters({ value }: Written): Made | readonly [string] {
  if (!(value instanceof Map)) return ['rank, scale and dropout were expected']
  const given = value as ReadonlyMap<string, Written>
  const text = (key: string, fallback: string) => (given.has(key) ? textOf(given.get(key)!) : fallback)
  const keys = given.get('keys')?.value
  const rank = text('rank', '8')
  const modules = Array.isArray(keys)
    ? (keys as readonly Written[]).map((key) => textOf(key).split('.').at(-1)).join(',')
    : undefined
  return {
    loraR: rank,
    loraAlpha: given.has('alpha') ? text('alpha', '') : String(Number(rank) * Number(text('scale', '20'))),
    loraDropout: text('dropout', '0'),
    ...(modules === undefined ? {} : { targetModules: modules }),
  }
}

/** More layers than any model has. */
const everyLayer = '100000'

const lastLayers: Meaning = {
  make: (written) =>
    textOf(written) === '-1'
      ? { trainableLayers: everyLayer }
      : [
          'only the last layers are trained; give --layers-to-transform for an adapter, --trainable-layers for the model itself',
        ],
}

export const mlxLm: Tool = {
  title: 'mlx-lm',
  marks: [
    'iters',
    'lora_parameters',
    'fine_tune_type',
    'num_layers',
    'lora_layers',
    'steps_per_report',
    'steps_per_eval',
    'adapter_path',
    'val_batches',
    'grad_checkpoint',
    'mask_prompt',
  ],
  keys: {
    model: to('model'),
    train: lack('no training', 'true'),
    data: { make: (written) => ({ dataset: `${textOf(written).replace(/\/+$/, '')}/train.jsonl` }) },
    fine_tune_type: {
      make: (written) => {
        const kind = textOf(written)
        if (kind === 'dora') return { useDora: 'true' }
        // Its layers alone are trained, never the embedding.
        if (kind === 'full') return { finetuningType: 'freeze' }
        return kind === 'lora' ? {} : [`the kind of training ${kind}; JORA has lora, dora and full`]
      },
    },
    optimizer: { make: (written) => (textOf(written) === 'adam' ? {} : optimiser.make(written)) },
    optimizer_config: lack('settings of the optimiser; JORA has --weight-decay and --adam-…'),
    num_layers: lastLayers,
    lora_layers: lastLayers,
    lora_parameters: { make: parameters },
    batch_size: to('batchSize'),
    grad_accumulation_steps: lack(
      'iters count the micro-steps; give --max-steps and --gradient-accumulation-steps as JORA counts them',
      '1',
    ),
    iters: to('maxSteps'),
    learning_rate: to('learningRate'),
    lr_schedule: lack('a schedule of its own form; give --lr-scheduler'),
    max_seq_length: longest,
    seed: to('seed'),
    save_every: to('saveEvery'),
    steps_per_eval: to('evalEvery'),
    val_batches: reports,
    steps_per_report: reports,
    test: reports,
    test_batches: reports,
    report_to: reports,
    project_name: reports,
    wandb: reports,
    adapter_path: to('outputDir'),
    resume_adapter_file: lack(
      'a start from an adapter of MLX; convert it with `jora import` and pass it as --init-adapter',
    ),
    grad_checkpoint: checkpointing,
    mask_prompt: lack('prompts are learned too', 'true'),
    prompt_feature: note('the names of keys in rows'),
    completion_feature: note('the names of keys in rows'),
  },
  defaults: ({ finetuningType }) => ({
    trainableLayers: finetuningType === undefined ? everyLayer : '16',
    learningRate: '1e-5',
    lrScheduler: 'constant',
    // The steps are what ends it.
    numEpochs: '1000000',
    maxSteps: '1000',
    batchSize: '4',
    gradientAccumulationSteps: '1',
    maxGradNorm: '0',
    loraR: '8',
    loraAlpha: '160',
    loraDropout: '0',
    targetModules: 'all-linear',
    maxSeqLength: '2048',
    onOverflow: 'truncate',
    promptTemplate: 'chat',
    evalEvery: '200',
    saveEvery: '100',
    split: '1',
    seed: '0',
  }),
}
