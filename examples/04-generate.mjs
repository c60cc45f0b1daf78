// @ts-check
// Generating token by token with the bundled tiny Llama, or with its adapter when that folder is given.
//   node examples/04-generate.mjs [adapter folder]
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createTextStream, loadRows, renderPrompt } from '@jora/data'
import { Generator, openModel } from '@jora/llama'
import { loadAdapter, loraLinear } from '@jora/lora'
import { openCpuDevice } from '@jora/tensor/onnx'

const assets = fileURLToPath(new URL('../apps/cli/assets', import.meta.url))

const device = await openCpuDevice()
const model = await openModel(join(assets, 'tiny-llama'))
const { tokenizer } = model

// An adapter is another way to apply the model's linear layers; the model itself stays as it is.
const adapterFolder = process.argv[2]
let decoder = await model.decoder(device)
if (adapterFolder !== undefined) {
  const { adapter, config } = await loadAdapter(adapterFolder, model.config, device)
  decoder = { ...decoder, linear: loraLinear(adapter, config) }
}

const [row] = await loadRows(join(assets, 'questions.jsonl'))
if (!row || !('instruction' in row)) throw new Error('the question set is empty')
const prompt = renderPrompt('alpaca', row)
console.log(prompt)

const generator = new Generator(decoder, device)
const text = createTextStream(tokenizer, { continuation: true })
for await (const id of generator.stream(tokenizer.encode(prompt), { maxNewTokens: 24, temperature: 0 })) {
  process.stdout.write(text.push(id))
}
console.log(text.flush())
console.log(`\n(the row's answer: ${row.output})`)
generator.dispose()
await model[Symbol.asyncDispose]()
