// jora config import, and --config with a file of another tool.
import { writeFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { jora, workspace } from './harness'

const space = workspace()
afterAll(() => space.remove())

const write = (name: string, text: string): string => {
  const path = space.path(name)
  writeFileSync(path, text)
  return path
}

const axolotl = `base_model: models/llama
datasets:
  - path: rows.json
    type: alpaca
adapter: lora
lora_r: 8
lora_target_linear: true
sequence_len: 1024
micro_batch_size: 2
learning_rate: 0.0002
output_dir: "007"
load_in_8bit: true
special_tokens:
  pad_token: <pad>
bf16: auto
`

test('prints what --config reads, and tells what is missing', async () => {
  const path = write('axolotl.yml', axolotl)
  const { code, out, err } = await jora(['config', 'import', path])
  expect({ code, err }).toEqual({
    code: 0,
    err: 'note: JORA does not have special_tokens (other special tokens than the tokenizer has)\n',
  })
  expect(out).toBe(`# Of a config of Axolotl: ${path}
model: models/llama
dataset: rows.json
output-dir: "007"
prompt-template: alpaca
max-seq-length: 1024
on-overflow: drop
lora-r: 8
target-modules: all-linear
learning-rate: 0.0002
batch-size: 2
quantize: int8

# Where it says nothing, as Axolotl does
split: 1
lr-scheduler: cosine
num-epochs: 1
gradient-accumulation-steps: 1
seed: 42

# JORA does not have
#   special_tokens: pad_token: <pad>  (other special tokens than the tokenizer has)

# Left out: nothing that is learned depends on it
#   bf16: auto  (the type of numbers; JORA chooses by device and weights (--dtype))
`)
  const ours = write('ours.yaml', out.replace('models/llama', 'nowhere').replace('rows.json', space.path('rows.json')))
  // Read again: it is the model that is missing.
  expect((await jora(['train', '--config', ours])).err).toContain('nowhere')
})

test('--json prints settings, and what there is not', async () => {
  const { out } = await jora(['config', 'import', write('axolotl.json.yml', axolotl), '--json'])
  expect(JSON.parse(out)).toMatchObject({
    tool: 'Axolotl',
    settings: { loraR: 8, targetModules: 'all-linear', outputDir: '007' },
    lacks: [
      {
        key: 'special_tokens',
        source: 'pad_token: <pad>',
        why: 'other special tokens than the tokenizer has',
      },
    ],
  })
})

test('train refuses what would be learned otherwise, all at once, and takes the rest', async () => {
  const bad = write('bad.yml', axolotl)
  expect(await jora(['train', '--config', bad])).toEqual({
    code: 2,
    out: '',
    err: `error: ${bad} is a config of Axolotl with what JORA does not have: special_tokens: pad_token: <pad> (other special tokens than the tokenizer has). \`jora config import\` prints the rest\n`,
  })
  const fine = write(
    'fine.yml',
    axolotl.replace('special_tokens:\n  pad_token: <pad>\n', '').replace('rows.json', space.path('none.json')),
  )
  const { code, err } = await jora(['train', '--config', fine])
  expect(code).toBe(1)
  expect(err).toContain(
    `note: ${fine} is a config of Axolotl, whose defaults count where it says nothing; left out: bf16\n`,
  )
  expect(err).toContain('no such file')
})

test('keys that only steer the other tool are known, and unknown ones are told all at once', async () => {
  const known = `${axolotl}loss_watchdog_threshold: 5.0\nauto_resume_from_checkpoints: true\nlora_mlp_kernel: true\nuse_wandb: false\n`
  const { code, out } = await jora(['config', 'import', write('watched.yml', known)])
  expect(code).toBe(0)
  expect(out).toContain('resume: auto\n')
  expect(out).toContain(
    '#   loss_watchdog_threshold: 5.0  (when a run is given up; JORA ends one whose loss is not finite)\n',
  )
  const wrong = write('wrong.yml', `${axolotl}micro_batch: 2\nlora_rr: 3\n`)
  expect((await jora(['config', 'import', wrong])).err).toBe(
    `error: ${wrong}: a config of Axolotl with unknown keys "micro_batch" (did you mean "micro_batch_size"?), "lora_rr" (did you mean "lora_r"?)\n`,
  )
})

test('a file of ours, or of nobody, is not imported', async () => {
  const path = write('ours-already.yaml', 'model: m\nlora_r: 4\n')
  expect(await jora(['config', 'import', path])).toEqual({
    code: 2,
    out: '',
    err: `error: ${path}: its keys are those of none of TRL, LLaMA-Factory, Axolotl, mlx-lm; --config reads JORA’s own configs directly\n`,
  })
  expect((await jora(['config', 'import'])).code).toBe(2)
})
