// Wrong usage: each refusal names the flag, what came and what was expected, and ends with 2.
import { writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { jora, workspace } from './harness'

const space = workspace()
afterAll(() => space.remove())
const needed = ['--model', 'm', '--dataset', 'd.json', '--output-dir', 'o']

describe('help', () => {
  const commands = [
    'train',
    'eval',
    'generate',
    'chat',
    'serve',
    'merge',
    'push',
    'devices',
    'quickstart',
    'data preview',
  ]

  test('names the commands there are, and none that is still to come', async () => {
    const { code, out, err } = await jora(['--help'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const name of ['quickstart', 'train', 'eval', 'generate', 'merge', 'push', 'data', 'devices'])
      expect(out).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
    expect(out).toMatch(/^  gui\b/m)
  })

  test.each(commands.filter((name) => name !== 'quickstart'))('%s --help has an example', async (name) => {
    const { code, out } = await jora([...name.split(' '), '--help'])
    expect(code).toBe(0)
    expect(out).toContain(`$ jora ${name}`)
  })

  test('--version prints a version', async () => {
    const { code, out } = await jora(['--version'])
    expect(code).toBe(0)
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('refused with 2', () => {
  test.each<[string[], string]>([
    [['trian'], "error: unknown command 'trian' (did you mean train?)"],
    [['data', 'previw'], "error: unknown command 'previw' (did you mean preview?)"],
    [['train', '--lora-rnk', '4'], "error: unknown option '--lora-rnk' (did you mean --lora-r?)"],
    [['train', '--learning_rate', '4'], "error: unknown option '--learning_rate' (did you mean --learning-rate?)"],
    [['train'], 'error: --model DIR or hub id is required (jora train --help)'],
    [['merge', '--model', 'm', '--output-dir', 'o'], 'error: --adapter DIR is required (jora merge --help)'],
    [['train', ...needed, '--lora-r', '1.5'], 'error: --lora-r: got "1.5", expected an integer ≥ 1'],
    [['train', ...needed, '--lora-rank', '0'], 'error: --lora-rank: got "0", expected an integer ≥ 1'],
    [['train', ...needed, '--lr', '1e'], 'error: --lr: got "1e", expected a number > 0'],
    [['train', ...needed, '--batch-size', '0x10'], 'error: --batch-size: got "0x10", expected an integer ≥ 1'],
    [['train', ...needed, '--seed', ''], 'error: --seed: got "", expected an integer ≥ 0'],
    [['train', ...needed, '--split', '0'], 'error: --split: got "0", expected a number over 0 and up to 1'],
    [
      ['train', ...needed, '--lr-scheduler', 'cos'],
      'error: --lr-scheduler: got "cos", expected cosine, linear, constant, cosine_with_restarts or wsd',
    ],
    [
      ['train', ...needed, '--target-modules', 'q_proj,,v_proj'],
      'error: --target-modules: got "q_proj,,v_proj", expected names separated by commas',
    ],
    [['train', ...needed, '--alpaca-mix', '0.3'], 'error: --alpaca-mix needs --alpaca-mix-file FILE to draw rows from'],
    [
      ['train', ...needed, '--init-adapter', 'nowhere'],
      'error: --init-adapter: nowhere/adapter_config.json does not exist: nowhere holds no PEFT adapter',
    ],
    [['train', ...needed, '--launcher', 'slurm'], 'error: --launcher: got "slurm", expected auto, none or mpi'],
    ...['model=0', 'foo=2', '2x1', 'model=2,model=2', 'model'].map((mesh): [string[], string] => [
      ['train', ...needed, '--mesh', mesh],
      `error: --mesh: got "${mesh}", expected data=N,model=N, either may be left out`,
    ]),
    [['train', ...needed, '--quantize', 'int4'], 'error: --quantize: got "int4", expected none, int8 or nf4'],
    [['train', ...needed, '--packing', 'graph'], 'error: --packing: got "graph", expected auto, none or tree'],
    [
      ['train', ...needed, '--prompt-template', 'chatml'],
      'error: --prompt-template: got "chatml", expected auto, alpaca, raft, chat or none',
    ],
    [
      ['generate', '--model', 'm', '--prompt', 'x', '--device', 'tpu'],
      'error: --device: got "tpu", expected auto, cpu or webgpu',
    ],
    [
      ['train', ...needed, '--device-memory', '12 apples'],
      'error: --device-memory: got "12 apples", expected a size such as 12GB, 8GiB or 500MB',
    ],
    [
      ['train', ...needed, '--device-memory', '0GB'],
      'error: --device-memory: got "0GB", expected a size such as 12GB, 8GiB or 500MB',
    ],
    [['generate', '--model', 'm'], 'error: pass one of --prompt TEXT, --instruction TEXT and --question TEXT'],
    [
      ['generate', '--model', 'm', '--prompt', 'x', '--input', 'y'],
      'error: --input goes with --instruction, not with --prompt',
    ],
    [
      ['eval', '--model', 'm', '--dataset', 'd', '--all', '--split', '0.5'],
      'error: --all and --split exclude each other',
    ],
    [['train', 'rows.json'], "error: too many arguments for 'train'. Expected 0 arguments but got 1."],
    [['export', '--format', 'gguf'], 'error: --model DIR or hub id is required (jora export --help)'],
    [['export', '--format', 'gguf-lora', '--model', 'm', '--output', 'o'], 'error: --format gguf-lora needs --adapter'],
    [
      ['export', '--format', 'hf', '--model', 'm', '--output', 'o', '--dtype', 'q4_0'],
      'error: --dtype q4_0 is not for --format hf, expected f32, f16, bf16',
    ],
    [
      ['export', '--format', 'hf', '--model', 'm', '--output', 'o', '--check', 'llamacpp'],
      'error: --check llamacpp runs a whole model: it is for --format gguf',
    ],
    [['push', '--repo-id', 'a/b'], 'error: --input DIR|FILE is required (jora push --help)'],
    [['push', '--input', 'x', '--repo', 'a/b'], "error: unknown option '--repo' (did you mean --repo-id?)"],
    ...['../x', 'a/b/c', 'a b/c', 'a'].map((id): [string[], string] => [
      ['push', '--input', 'x', '--repo-id', id],
      `error: --repo-id: got "${id}", expected USER/NAME, of letters, digits, "-", "_" and "."`,
    ]),
    [['gui', '--port', '70000'], 'error: --port: got "70000", expected a port up to 65535'],
    [
      ['gui', '--no-open', '--host', '0.0.0.0'],
      'error: --host 0.0.0.0 can be reached by other machines: set a password with --password-file FILE or JORA_GUI_PASSWORD',
    ],
    [['gui', '--no-open', '--root', 'nowhere'], 'error: --root nowhere: no such folder'],
    [['data', 'import', '--format', 'squad'], 'error: --input DIR|FILE is required (jora data import --help)'],
  ])('%j', async (argv, message) => {
    expect(await jora(argv)).toEqual({ code: 2, out: '', err: `${message}\n` })
  })
})

describe('config file', () => {
  const refused: [string, string, string][] = [
    ['an unknown key', 'lora_rnk: 4', 'unknown key "lora_rnk" (did you mean "lora-rank"?)'],
    ['nothing near', 'zzzzzz: 4', 'unknown key "zzzzzz"'],
    ['a bad value', 'maxSteps: many', 'maxSteps: got "many", expected an integer ≥ 1'],
    ['a list for one value', 'lora_r: [1]', 'lora_r: got [1], expected one value'],
    [
      'one key under two names',
      'lr: 1e-3\nlearning-rate: 1e-4',
      '"learning-rate" is set twice, once under another name',
    ],
    ['a choice that there is not', 'quantize: int4', 'quantize: got "int4", expected none, int8 or nf4'],
    ['no mapping', '- train', 'expected flag names and their values, one a line, such as "lora-r: 16"'],
    [
      'broken YAML',
      'a: [',
      'Flow sequence in block collection must be sufficiently indented and end with a ] at line 1, column 5',
    ],
  ]
  test.each(refused)('%s', async (_what, yaml, message) => {
    const file = space.path('bad.yaml')
    writeFileSync(file, yaml)
    expect(await jora(['train', '--config', file])).toEqual({ code: 2, out: '', err: `error: ${file}: ${message}\n` })
  })

  test('a file that is not there', async () => {
    expect(await jora(['eval', '--config', 'none.yaml'])).toEqual({
      code: 2,
      out: '',
      err: 'error: --config: none.yaml does not exist\n',
    })
  })
})
