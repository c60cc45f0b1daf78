// @ts-check
// Asking a model, tuned or not, from texts: text in, text out, as it is made.
//   node examples/05-answer.mjs [model or adapter folder] [question]
import { fileURLToPath } from 'node:url'
import { load } from '@jora/lora'

const [
  name = fileURLToPath(new URL('../apps/cli/assets/tiny-llama', import.meta.url)),
  question = 'What is the capital of Peru?',
] = process.argv.slice(2)
const documents = [
  { title: 'Kenya', text: 'The capital of Kenya is Nairobi. Kenya is in Africa.' },
  { title: 'Peru', text: 'The capital of Peru is Lima. Peru is in South America.' },
]

// A folder, a .gguf file or a Hub id; an adapter's folder brings its base, and the prompt it was trained with.
const model = await load(name)

for await (const text of model.answer(question, { documents, maxNewTokens: 24 })) process.stdout.write(text)
console.log()

// Of many documents the best are put before the question, and come back with the answer.
const { passages, finishReason } = await model.answer(question, { documents, retrieve: 1, maxNewTokens: 24 }).whole()
console.log(`from ${passages?.map(({ title }) => title).join(', ')}; ended by ${finishReason}`)

await model.close()
