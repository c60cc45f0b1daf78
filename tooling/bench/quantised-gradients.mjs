// Gradients of a LoRA adapter on a quantised base beside PEFT's on the unpacked numbers of the same file, at the same adapters: those of
// each step of a training that PEFT does. The reference is made in a folder that git ignores, and kept there.
//   node quantised-gradients.mjs --venv FOLDER [--model FILE.gguf …] [--tokens 64] [--steps 10] [--device cpu|webgpu] [--dtype f32]
//     [--threads 2] [--folder ../../.results/quantised-gradients]
// The venv has torch, transformers, peft and gguf, as peers.mjs installs them. Errors are relative: |ours − PEFT's| / |PEFT's|, 2-norms, of all
// of d loss / d A, of all of d loss / d B, and the largest of one tensor. A's gradient is zero as long as B is.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openModel, tokenLosses } from '@jora/llama'
import { loadAdapter, lowRankOf, openDevice, withAdapter } from '@jora/lora'
import { defaultDevice, disposeTree, jit, sum, tensor, valueAndGrad } from '@jora/tensor'

const here = dirname(fileURLToPath(import.meta.url))
const models = ['SmolLM2-135M-Instruct.Q4_1.gguf', 'gemma-3-270m-q4_k_m.gguf']
const { values: flags } = parseArgs({
  options: {
    venv: { type: 'string' },
    model: { type: 'string', multiple: true, default: models.map((name) => join(here, '../../.models', name)) },
    tokens: { type: 'string', default: '64' },
    steps: { type: 'string', default: '10' },
    device: { type: 'string', default: 'cpu' },
    dtype: { type: 'string', default: 'f32' },
    threads: { type: 'string', default: '2' },
    folder: { type: 'string', default: join(here, '../../.results/quantised-gradients') },
  },
})
const { venv } = flags
if (venv === undefined)
  throw new Error('--venv is missing: a Python environment with torch, transformers, peft and gguf')
const python = join(resolve(venv), 'bin/python')
const steps = Number(flags.steps)
process.env.OMP_NUM_THREADS = flags.threads

const text =
  'The capital of France is Paris. In 1984, 3.14 % of 2,718 students wrote code: for (let i = 0; i < 10; i++) { sum += i } Then ' +
  'they went home, read two chapters about rivers and mountains, and asked why the answer to 17 × 23 is 391 and not 401. Nobody knew.'

/** @typedef {{ readonly losses: readonly number[], readonly versions: Readonly<Record<string, string>> }} Reference */

/**
 * PEFT's adapters and gradients in `folder`, made where they are not there.
 * @param {string} gguf @param {readonly number[]} ids @param {string} folder @returns {Reference}
 */
function referenceOf(gguf, ids, folder) {
  const [told, asked] = [join(folder, 'reference.json'), join(folder, 'ids.json')]
  const given = JSON.stringify(ids)
  if (existsSync(told) && readFileSync(asked, 'utf8') === given) {
    const known = /** @type {Reference} */ (JSON.parse(readFileSync(told, 'utf8')))
    if (known.losses.length >= steps) return known
  }
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(asked, given)
  const script = join(here, '../reference/quantised_gradients.py')
  const args = ['--gguf', gguf, '--ids', asked, '--output', folder, '--steps', flags.steps, '--threads', flags.threads]
  const { status, stdout, error } = spawnSync(python, [script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    env: { ...process.env, TQDM_DISABLE: '1' },
  })
  if (status !== 0) throw new Error(`${script} failed: ${error?.message ?? `exit code ${status}`}`)
  const line = stdout.trim().split('\n').at(-1) ?? ''
  writeFileSync(told, line)
  return JSON.parse(line)
}

/** Squares of an error and of what it is an error of. */
class Squares {
  apart = 0
  whole = 0
  /** @param {ArrayLike<number>} ours @param {ArrayLike<number>} theirs @param {number} factor of `theirs` */
  add(ours, theirs, factor) {
    for (let i = 0; i < theirs.length; i++) {
      const expected = factor * Number(theirs[i])
      this.apart += (Number(ours[i]) - expected) ** 2
      this.whole += expected ** 2
    }
  }
  get relative() {
    return this.whole === 0 ? (this.apart === 0 ? 0 : Infinity) : Math.sqrt(this.apart / this.whole)
  }
}

/**
 * Loss of all tokens but the first, summed as in training, and its gradients.
 * @param {import('@jora/llama').Decoder} decoder @param {import('@jora/lora').LoraConfig} lora
 */
const gradients = (decoder, lora) =>
  jit(
    (
      /** @type {import('@jora/lora').Adapter} */ adapter,
      /** @type {Record<'tokens' | 'labelRows' | 'labels', import('@jora/tensor').Tensor>} */ { tokens, ...rows },
    ) => {
      const loss = (/** @type {import('@jora/lora').Adapter} */ trained) =>
        sum(tokenLosses(withAdapter(decoder, trained, lora), { tokens }, rows))
      const [value, grads] = valueAndGrad(loss)(adapter)
      return { value, grads }
    },
  )

/** @param {string} gguf */
async function compare(gguf) {
  const opened = await openModel(gguf)
  const ids = [...opened.tokenizer.encode(text)].slice(0, Number(flags.tokens))
  const folder = join(flags.folder, basename(gguf, '.gguf'))
  const reference = referenceOf(gguf, ids, folder)
  const device = await openDevice(/** @type {'cpu'} */ (flags.device))
  const decoder = await opened.decoder(device, /** @type {'f32'} */ (flags.dtype))
  const learned = ids.length - 1
  const integers = (/** @type {readonly number[]} */ list, shape = [list.length]) =>
    tensor(Int32Array.from(list), { dtype: 'i32', shape, device })
  const batch = {
    tokens: integers(ids, [1, ids.length]),
    labelRows: integers(ids.slice(1).map((_, i) => i)),
    labels: integers(ids.slice(1)),
  }
  /** @type {ReturnType<typeof gradients> | undefined} */
  let program
  /** @type {({ step: number, loss: number, 'loss (PEFT)': number | undefined } & Record<'d A' | 'd B' | 'worst tensor', number>)[]} */
  const table = []
  for (let step = 0; step < steps; step++) {
    const { adapter, config } = await loadAdapter(join(folder, `adapter-${step}`), opened.config, device)
    const theirs = (await loadAdapter(join(folder, `gradients-${step}`), opened.config, device)).adapter
    program ??= gradients(decoder, config)
    const { value, grads } = program(adapter, batch)
    const [all, own] = [{ loraA: new Squares(), loraB: new Squares() }, lowRankOf(grads)]
    let worst = 0
    for (const [module, parts] of Object.entries(lowRankOf(theirs)))
      for (const part of /** @type {const} */ (['loraA', 'loraB'])) {
        const [ours, expected] = [await own[module]?.[part].data(), await parts[part].data()]
        if (!ours) throw new Error(`the adapter has no gradient of ${module}.${part}, which PEFT has`)
        const alone = new Squares()
        for (const squares of [alone, all[part]]) squares.add(ours, expected, learned)
        worst = Math.max(worst, alone.relative)
      }
    table.push({
      step,
      loss: (await value.item()) / learned,
      'loss (PEFT)': reference.losses[step],
      'd A': all.loraA.relative,
      'd B': all.loraB.relative,
      'worst tensor': worst,
    })
    for (const tree of [adapter, theirs, value, grads]) disposeTree(tree)
  }
  program?.dispose()
  console.log(
    `\n${basename(gguf)}, ${device.name}, ${flags.dtype}, ${ids.length} tokens, ${JSON.stringify(reference.versions)}`,
  )
  console.table(table)
  const largest = (/** @type {'d A' | 'd B' | 'worst tensor'} */ name) => Math.max(...table.map((row) => row[name]))
  const figures = { dA: largest('d A'), dB: largest('d B'), worstTensor: largest('worst tensor') }
  console.log(JSON.stringify({ model: basename(gguf), device: device.kind, dtype: flags.dtype, steps, ...figures }))
  await opened[Symbol.asyncDispose]()
}

for (const gguf of flags.model) {
  if (!existsSync(gguf))
    throw new Error(
      `${gguf} does not exist: node tooling/models/fetch.mjs brings the models that are compared by default`,
    )
  await compare(resolve(gguf))
}
await defaultDevice().close()
