// @ts-check
// Generating token by token with the bundled tiny Llama, or with its adapter when that folder is given.
//   node examples/04-generate.mjs [adapter folder]
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createTextStream, loadRows, loadTokenizer, renderPrompt } from '@jora/data'
import { Generator, loadModel } from '@jora/llama'
import { loadAdapter, loraLinear } from '@jora/lora'
import { setDefaultDevice } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'

const assets = fileURLToPath(new URL('../apps/cli/assets', import.meta.url))
const folder = join(assets, 'tiny-llama')

setDefaultDevice(await openCpuDevice())
const model = await loadModel(folder)
const tokenizer = await loadTokenizer(folder)

// An adapter is another way to apply the model's linear layers; the model itself stays as it is.
const adapterFolder = process.argv[2]
let decoder = model
if (adapterFolder !== undefined) {
  const { adapter, config } = await loadAdapter(adapterFolder, model.config)
  decoder = { ...model, linear: loraLinear(adapter, config) }
}

const [row] = await loadRows(join(assets, 'questions.jsonl'))
if (!row || !('instruction' in row)) throw new Error('the question set is empty')
const prompt = renderPrompt('alpaca', row)
console.log(prompt)

const generator = new Generator(decoder)
const text = createTextStream(tokenizer, { continuation: true })
for await (const id of generator.stream(tokenizer.encode(prompt), { maxNewTokens: 24, temperature: 0 })) {
  process.stdout.write(text.push(id))
}
console.log(text.flush())
console.log(`\n(the row's answer: ${row.output})`)
generator.dispose()
