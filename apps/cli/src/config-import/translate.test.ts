// Configs of other tools: recognised, translated key by key, and refused all at once where something cannot be had.
import { describe, expect, test } from 'vitest'
import { trainFlags } from '../commands/train-settings'
import { valuesOf } from '../flags/config-file'
import { parseConfigText } from '../flags/config-text'
import { asOurs, oursOf, toolOf, tools, translate } from './translate'

const llamaFactoryYaml = `### model
model_name_or_path: meta-llama/Meta-Llama-3-8B-Instruct
trust_remote_code: true

### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: all

### dataset
dataset: data/identity.json
template: llama3
cutoff_len: 2048
overwrite_cache: true
preprocessing_num_workers: 16

### output
output_dir: saves/llama3-8b/lora/sft
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
report_to: none

### train
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
ddp_timeout: 180000000
val_size: 0.1
`
const trlYaml = `model_name_or_path: Qwen/Qwen2-0.5B
dataset_name: rows.jsonl
learning_rate: 2.0e-4
num_train_epochs: 1
per_device_train_batch_size: 2
gradient_accumulation_steps: 8
gradient_checkpointing: true
eval_strategy: steps
eval_steps: 100
use_peft: true
lora_r: 32
lora_alpha: 16
lora_target_modules: [q_proj, v_proj]
max_length: 512
output_dir: Qwen2-0.5B-SFT
`
const axolotlYaml = `base_model: NousResearch/Llama-3.2-1B
datasets:
  - path: teknium/GPT4-LLM-Cleaned.jsonl
    type: alpaca
val_set_size: 0.1
output_dir: ./outputs/lora-out
adapter: lora
lora_model_dir:
sequence_len: 2048
sample_packing: true
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
lora_target_modules:
  - gate_proj
  - down_proj
wandb_project:
gradient_accumulation_steps: 2
micro_batch_size: 2
num_epochs: 1
optimizer: adamw_8bit
lr_scheduler: cosine
learning_rate: 0.0002
bf16: auto
tf32: false
gradient_checkpointing: true
logging_steps: 1
flash_attention: true
warmup_ratio: 0.1
evals_per_epoch: 4
saves_per_epoch: 1
weight_decay: 0.0
`
const mlxYaml = `model: mlx_model
train: true
fine_tune_type: lora
optimizer: adamw
data: path/to/data/
seed: 7
num_layers: -1
batch_size: 4
iters: 600
learning_rate: 1e-5
steps_per_report: 10
steps_per_eval: 200
adapter_path: adapters
save_every: 100
max_seq_length: 2048
grad_checkpoint: false
lora_parameters:
  keys: ["self_attn.q_proj", "self_attn.v_proj"]
  rank: 8
  scale: 20.0
  dropout: 0.0
mask_prompt: true
`

const read = (yaml: string, path = 'x.yaml') => {
  const file = parseConfigText(yaml, path)
  const tool = toolOf(file)!
  const translated = translate(file, tool, path)
  return {
    ...translated,
    title: tool.title,
    flags: Object.fromEntries(valuesOf(asOurs(translated.values), path, trainFlags)),
  }
}

test('positions stretched, as each tool writes it', () => {
  const factory = (value: string) => read(`${llamaFactoryYaml}rope_scaling: ${value}\n`)
  expect(factory('yarn').flags).toMatchObject({ ropeScaling: 'yarn' })
  expect(JSON.stringify(factory('dynamic').lacks)).toContain(
    'positions stretched by dynamic; JORA has yarn, linear, llama3',
  )
  const scaling = 'rope_scaling: { type: linear, factor: 2.0 }'
  for (const line of [scaling, `overrides_of_model_config:\n  ${scaling}`])
    expect(read(`${axolotlYaml}${line}\n`).flags).toMatchObject({ ropeScaling: 'linear', ropeScalingFactor: 2 })
  expect(JSON.stringify(read(`${axolotlYaml}overrides_of_model_config:\n  sliding_window: 9\n`).lacks)).toContain(
    'another sliding_window than the model',
  )
})

test('rows in the order of the file, as each tool writes it', () => {
  for (const [yaml, line] of [
    [llamaFactoryYaml, 'disable_shuffling: true'],
    [axolotlYaml, 'curriculum_sampling: true'],
    [trlYaml, 'train_sampling_strategy: sequential'],
  ])
    expect(read(`${yaml}${line}\n`).flags, line).toMatchObject({ shuffle: false })
  expect(read(`${trlYaml}train_sampling_strategy: random\n`).flags).not.toHaveProperty('shuffle')
})

describe('examples of the tools’ own documentation', () => {
  test('LLaMA-Factory', () => {
    const { title, flags, lacks, notes } = read(llamaFactoryYaml)
    expect(title).toBe('LLaMA-Factory')
    expect(lacks).toEqual([])
    expect(flags).toEqual({
      model: 'meta-llama/Meta-Llama-3-8B-Instruct',
      dataset: 'data/identity.json',
      outputDir: 'saves/llama3-8b/lora/sft',
      promptTemplate: 'chat',
      targetModules: 'all-linear',
      loraR: 8,
      loraAlpha: 16,
      loraDropout: 0,
      maxSeqLength: 2048,
      onOverflow: 'truncate',
      saveEvery: 500,
      batchSize: 1,
      gradientAccumulationSteps: 8,
      learningRate: 1e-4,
      numEpochs: 3,
      lrScheduler: 'cosine',
      warmupRatio: 0.1,
      split: 0.9,
      seed: 42,
    })
    expect(notes.map(({ key }) => key)).toContain('bf16')
  })
  test('TRL', () => {
    const { title, flags, lacks } = read(trlYaml)
    expect([title, lacks]).toEqual(['TRL', []])
    expect(flags).toMatchObject({
      loraR: 32,
      targetModules: ['q_proj', 'v_proj'],
      maxSeqLength: 512,
      gradientCheckpointing: 'on',
      evalEvery: 100,
      lrScheduler: 'linear',
      batchSize: 2,
    })
  })
  test('Axolotl', () => {
    const { title, flags, lacks } = read(axolotlYaml)
    expect([title, lacks]).toEqual(['Axolotl', []])
    expect(flags).toMatchObject({
      dataset: 'teknium/GPT4-LLM-Cleaned.jsonl',
      promptTemplate: 'alpaca',
      split: 0.9,
      onOverflow: 'drop',
      batchSize: 2,
      targetModules: ['gate_proj', 'down_proj'],
      weightDecay: 0,
    })
  })
  test('mlx-lm', () => {
    const { title, flags, lacks } = read(mlxYaml)
    expect([title, lacks]).toEqual(['mlx-lm', []])
    // The scale is alpha / r itself.
    expect(flags).toMatchObject({
      dataset: 'path/to/data/train.jsonl',
      loraR: 8,
      loraAlpha: 160,
      maxSteps: 600,
      targetModules: ['q_proj', 'v_proj'],
      lrScheduler: 'constant',
      maxGradNorm: 0,
      seed: 7,
      gradientCheckpointing: 'off',
    })
  })
})

test.each(['adamw_8bit', 'adamw_bnb_8bit', 'paged_adamw_8bit'])('%s is AdamW in 8 bits', (name) => {
  expect(read(axolotlYaml.replace('adamw_8bit', name)).flags).toMatchObject({ optimizer: 'adamw_8bit' })
})

test('report_to: tensorboard is taken, other trackers are not', () => {
  expect(read(llamaFactoryYaml.replace('report_to: none', 'report_to: tensorboard')).flags).toMatchObject({
    reportTo: ['tensorboard'],
  })
  const { flags, notes } = read(llamaFactoryYaml.replace('report_to: none', 'report_to: wandb'))
  expect(flags).not.toHaveProperty('reportTo')
  expect(notes.find(({ key }) => key === 'report_to')?.why).toContain('reports only')
})

test('weights that are trained themselves: what of the file is for adapters is left out, if it is as by default', () => {
  const whole = llamaFactoryYaml.replace('finetuning_type: lora', 'finetuning_type: full')
  expect(read(whole).flags).toMatchObject({ finetuningType: 'full' })
  expect(read(whole).flags).not.toHaveProperty('targetModules')
  const layers = `${llamaFactoryYaml.replace('finetuning_type: lora', 'finetuning_type: freeze')}freeze_trainable_layers: 3\n`
  expect(read(layers).flags).toMatchObject({ finetuningType: 'freeze', trainableLayers: 3 })
  expect(read(trlYaml.replace('use_peft: true', 'use_peft: false')).flags).toMatchObject({ finetuningType: 'full' })
})

describe('what cannot be had', () => {
  const change = (yaml: string, more: string) =>
    oursOf(parseConfigText(`${yaml}${more}`, 'x.yaml'), 'x.yaml', new Set(), () => {})
  test.each([
    [
      llamaFactoryYaml,
      'quantization_bit: 2\n',
      ['quantization_bit: 2 (weights in 2 bits; JORA has 4 and 8: --quantize)'],
    ],
    [axolotlYaml.replace('adapter: lora', 'adapter: llama-adapter'), '', ['adapter: llama-adapter']],
    [
      axolotlYaml.replace('adamw_8bit', 'adafactor'),
      '',
      ['optimizer: adafactor (the optimiser adafactor; JORA has AdamW, SGD, Lion'],
    ],
    [mlxYaml.replace('num_layers: -1', 'num_layers: 16'), '', ['num_layers: 16 (only the last layers']],
    [trlYaml, 'lr_scheduler_type: polynomial\nloss_type: dft\n', ['loss_type: dft', 'the schedule polynomial']],
    [llamaFactoryYaml.replace('data/identity.json', 'a,b'), '', ['several datasets (a,b)']],
    [llamaFactoryYaml.replace('stage: sft', 'stage: dpo'), '', ['stage: dpo']],
  ])('is told all at once (%#)', (yaml, more, told) => {
    for (const each of told) expect(() => change(yaml, more)).toThrow(each)
  })
  test.each([
    ['LLaMA-Factory', `${llamaFactoryYaml}quantization_bit: 8\n`, 'int8'],
    ['Axolotl', `${axolotlYaml.replace('adapter: lora', 'adapter: qlora')}load_in_4bit: true\n`, 'nf4'],
    ['TRL', `${trlYaml}load_in_8bit: true\n`, 'int8'],
  ])('weights in few bits, of %s', (_tool, yaml, quantize) => {
    expect(read(yaml).flags).toMatchObject({ quantize })
  })
  test('values that ask for nothing are fine', () => {
    expect(() => change(trlYaml, 'load_in_4bit: false\nuse_dora: false\nmax_steps: -1\n')).not.toThrow()
    expect(read(`${trlYaml}max_steps: -1\n`).flags).not.toHaveProperty('maxSteps')
  })
  test('unknown keys are told all at once, with the nearest', () => {
    expect(() => change(trlYaml, 'lora_alfa: 3\nqqqqqqqq: 1\n')).toThrow(
      'x.yaml: a config of TRL with unknown keys "lora_alfa" (did you mean "lora_alpha"?), "qqqqqqqq"',
    )
  })
  test('a flag of the command line stands in for what the file cannot give', () => {
    const yaml = llamaFactoryYaml.replace('data/identity.json', 'identity')
    const file = parseConfigText(yaml, 'x.yaml')
    expect(() => oursOf(file, 'x.yaml', new Set(), () => {})).toThrow('a name in dataset_info.json')
    expect(oursOf(file, 'x.yaml', new Set(['dataset']), () => {}).get('lora-r')?.value).toBe('8')
  })
})

test('files of ours are left as they are', () => {
  const file = parseConfigText(
    'model: m\ndataset: d\nlora_target: all\ncutoff_len: 9\nbatch_size: 2\nseed: 1\n',
    'x.yaml',
  )
  expect(toolOf(file)).toBeUndefined()
  expect(oursOf(file, 'x.yaml', new Set(), () => {})).toBe(file)
  expect(toolOf(parseConfigText('model: m\nbf16: true\n', 'x.yaml'))).toBeUndefined()
})

test.each(tools)('$title: every setting that is named is one of ours, and defaults are of its type', (tool) => {
  for (const mark of tool.marks) expect(tool.keys, mark).toHaveProperty([mark])
  expect(() => valuesOf(asOurs(tool.defaults({})), 'defaults', trainFlags)).not.toThrow()
})
