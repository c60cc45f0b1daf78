// Config files as people write them: each value is the text that was written, or is refused.
import { describe, expect, test } from 'vitest'
import { trainFlags } from '../commands/train-settings'
import { valuesOf } from './config-file'
import { parseConfigText } from './config-text'

const read = (yaml: string) => Object.fromEntries(valuesOf(parseConfigText(yaml, 'run.yaml'), 'run.yaml', trainFlags))

describe('the text that was written', () => {
  test.each([
    ['output_dir: 007', { outputDir: '007' }],
    ['output_dir: 1e3', { outputDir: '1e3' }],
    ['output_dir: 0o17', { outputDir: '0o17' }],
    ['output_dir: 0x1F', { outputDir: '0x1F' }],
    ['output_dir: 2024-01-01', { outputDir: '2024-01-01' }],
    ['output_dir: yes', { outputDir: 'yes' }],
    ['output_dir: 1_000', { outputDir: '1_000' }],
    ['output_dir: 12345678901234567890', { outputDir: '12345678901234567890' }],
    ['output_dir: 1.10', { outputDir: '1.10' }],
    ['output_dir: "null"', { outputDir: 'null' }],
    ['dataset: a,b', { dataset: 'a,b' }],
    ['resume: "true"', { resume: 'true' }],
    ['model: &m x\ndataset: *m', { model: 'x', dataset: 'x' }],
    ['\uFEFFmodel: x', { model: 'x' }],
  ])('%j', (yaml, values) => expect(read(yaml)).toEqual(values))
})

describe('numbers, truths and lists', () => {
  test.each([
    ['learning_rate: 1e-4', { learningRate: 1e-4 }],
    ['learning_rate: "1e-4"', { learningRate: 1e-4 }],
    ['lora_r: 8.0', { loraR: 8 }],
    ['use_rslora: true', { useRslora: true }],
    ['use_rslora: True', { useRslora: true }],
    ['use_rslora: yes', { useRslora: true }],
    ['useRslora: off', { useRslora: false }],
    ['shuffle: no', { shuffle: false }],
    ['no_shuffle: true', { shuffle: false }],
    ['gradient_checkpointing: true', { gradientCheckpointing: 'on' }],
    ['gradient_checkpointing: no', { gradientCheckpointing: 'off' }],
    ['gradient_checkpointing: auto', { gradientCheckpointing: 'auto' }],
    ['lora_target: all', { targetModules: 'all-linear' }],
    ['lora_target: q_proj,v_proj', { targetModules: ['q_proj', 'v_proj'] }],
    ['target_modules: [q_proj, k_proj]', { targetModules: ['q_proj', 'k_proj'] }],
    ['target_modules:\n  - q_proj\n  - k_proj', { targetModules: ['q_proj', 'k_proj'] }],
    ['layers_to_transform: [0, 1]', { layersToTransform: [0, 1] }],
    ['rank_pattern: {q_proj: 4, v_proj: 8}', { rankPattern: { q_proj: 4, v_proj: 8 } }],
    ['rank_pattern: {}', {}],
    ['rank_pattern: [q_proj=4, v_proj=8]', { rankPattern: { q_proj: 4, v_proj: 8 } }],
    ['resume: true', { resume: 'auto' }],
    ['resume: false', {}],
    ['init_adapter: null\nmax_steps: ~\nseed:', {}],
    ['{\n\t"lora_r": 8,\n\t"shuffle": false\n}', { loraR: 8, shuffle: false }],
    ['# nothing', {}],
  ])('%j', (yaml, values) => expect(read(yaml)).toEqual(values))
})

describe('refused', () => {
  test.each([
    ['seed: 010', 'seed: got "010", expected an integer ≥ 0'],
    ['seed: 0o17', 'seed: got "0o17", expected an integer ≥ 0'],
    ['seed: 1_000', 'seed: got "1_000", expected an integer ≥ 0'],
    ['seed: 1:30', 'seed: got "1:30", expected an integer ≥ 0'],
    ['seed: 2024-01-01', 'seed: got "2024-01-01", expected an integer ≥ 0'],
    ['learning_rate: .inf', 'learning_rate: got ".inf", expected a number > 0'],
    ['learning_rate: yes', 'learning_rate: got "yes", expected a number > 0'],
    ['lora_r: ${R}', 'lora_r: got "${R}", expected an integer ≥ 1'],
    ['lora_r: 1000000', 'lora_r: got "1000000", expected an integer from 1 to 16384'],
    ['use_rslora: 2', 'use_rslora: got "2", expected true or false'],
    ['model: [a, b]', 'model: got [a, b], expected one value'],
    [
      'lora_r: !!python/object:os.system 8',
      'Unresolved tag: tag:yaml.org,2002:python/object:os.system at line 1, column 9',
    ],
    ['lora_r: 8\nlora_r: 16', 'Map keys must be unique at line 2, column 1'],
    [
      'lora_rnk: 1\nzzzzzz: 2\nlearnigrate: 3',
      'unknown keys "lora_rnk" (did you mean "lora-rank"?), "zzzzzz", "learnigrate" (did you mean "learning-rate"?)',
    ],
    ['a: &a [*a]', 'values nested deeper than 4'],
  ])('%j', (yaml, message) => expect(() => read(yaml)).toThrow(`run.yaml: ${message}`))
})
