// One prompt everywhere: what a model was trained on is what every way to ask it asks, id for id, with the same stops.
// `npm run docs:prompts` writes the table of docs/prompts.md anew.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  choosePromptTemplate,
  promptTemplate,
  separateSamples,
  tokenizeTree,
  tokenizeTurns,
  type ChatMessage,
  type PromptTemplate,
  type Sample,
  type Tokenizer,
} from '@jora/data'
import { exportGguf, tokenizeWithLlamaCpp } from '@jora/hf-export'
import { Engine, openModel, type Generated, type GenerateOptions, type Token } from '@jora/llama'
import { defaultLoraConfig, writePrompt } from '@jora/lora'
import { openGguf } from '@jora/tensor/weights'
import { LoadedModel } from '../../../../packages/gui/src/playground/loaded-model'
import { questionOf } from '../../../../packages/gui/src/playground/question'
import { writeTinyAdapter } from '../../../../packages/lora/test/tiny-adapter'
import { modelfileOf } from '../../src/modelfile'
import { jora } from '../harness'
import { serving } from '../serve/serving'
import { promptCases, writePromptModel, type PromptCase } from './prompt-templates'

const [question, reply, next] = ['Who was the keeper?', 'Ida Holm.', 'And who came after?']
const said = (...contents: string[]): ChatMessage[] =>
  contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))
const conversations = [said(question), said(question, reply, next)]
const document = 'Ida Holm kept the lighthouse of Varn. {{ x }}'

const llamaCpp = process.env.JORA_LLAMA_CPP
/** What Go makes of the Modelfiles' templates; see tooling/reference/go_templates. */
const goldens = join(import.meta.dirname, 'go-prompts.json')
interface GoPrompts {
  readonly templates: Record<string, string>
  readonly conversations: readonly (readonly ChatMessage[])[]
  readonly texts: Record<string, string[]>
}

/** A prompt as it reached the model. */
interface AskedPrompt {
  readonly ids: readonly number[]
  readonly stopIds: ReadonlySet<number>
}

let space: string
beforeAll(() => void (space = mkdtempSync(join(tmpdir(), 'jora-prompts-'))))
afterAll(() => rmSync(space, { recursive: true }))
afterEach(() => void vi.restoreAllMocks())

/** Every prompt that engines are asked from here on. Each is answered with the reply: what is computed does not matter. */
function overheard(tokenizer: Tokenizer): AskedPrompt[] {
  const asked: AskedPrompt[] = []
  const answer = tokenizer.encode(reply, { continuation: true })
  const tokens = async function* (
    prompt: readonly number[],
    { stopIds = [] }: GenerateOptions = {},
  ): AsyncGenerator<Token, Generated> {
    asked.push({ ids: prompt, stopIds: new Set(stopIds) })
    for (const id of answer) yield { id }
    return { ids: answer, finishReason: 'stop' }
  }
  vi.spyOn(Engine.prototype, 'tokens').mockImplementation(tokens)
  return asked
}

/** What training sees: of a question, of a conversation, of a question on a document; and the token that ends an answer. */
function trained(tokenizer: Tokenizer, template: PromptTemplate) {
  /** Of several answers the last is what is asked for. */
  const before = ({ ids, labels }: Sample) =>
    [...ids].slice(
      0,
      labels.findLastIndex((label, i) => label !== -100 && labels[i - 1] === -100),
    )
  /** As when it is the last, where a template renders an answer otherwise once others follow. */
  const sampleOf = (row: Parameters<typeof tokenizeTurns>[0]): Sample => {
    const made = tokenizeTurns(row, tokenizer, { template })
    return 'context' in made ? separateSamples(made).at(-1)! : made
  }
  const alone = sampleOf({ instruction: question, output: reply })
  const conversation = sampleOf(
    template.chat === undefined
      ? { instruction: next, output: reply, history: [[question, reply]] }
      : { messages: said(question, reply, next, reply) },
  )
  const row = { context: [{ text: document }], questions: [{ question, answer: reply }] }
  const [onDocument] = separateSamples(tokenizeTree(row, tokenizer, { template }))
  return { asked: [before(alone), before(conversation)], onDocument: before(onDocument!), end: alone.ids.at(-1)! }
}

/** A template that shows a date shows today's, and keeps it. */
const templateOf = ({ frames }: PromptCase, tokenizer: Tokenizer): PromptTemplate =>
  frames === undefined ? choosePromptTemplate('auto', [], tokenizer) : promptTemplate(frames, tokenizer)

/** The model of a case with an adapter that was trained on its prompt, and what training saw. */
async function prepared(promptCase: PromptCase) {
  const folder = join(space, promptCase.title)
  const model = await writePromptModel(join(folder, 'model'), promptCase)
  await using open = await openModel(model)
  const { tokenizer, config } = open
  const template = templateOf(promptCase, tokenizer)
  const adapter = join(folder, 'adapter')
  await writeTinyAdapter(adapter, config, { ...defaultLoraConfig, r: 2 }, { baseModel: model })
  await writePrompt(adapter, { template, base: { model, digest: await open.digest() } })
  return {
    model,
    adapter,
    tokenizer,
    template,
    saw: trained(tokenizer, template),
    gguf: join(folder, 'model.gguf'),
  }
}
type Prepared = Awaited<ReturnType<typeof prepared>>

/** Ways to ask, each with the prompts it asked and those that training saw in their place. */
const ways = {
  async generate({ adapter, tokenizer, saw }: Prepared) {
    const asked = overheard(tokenizer)
    const argv = ['generate', '--device', 'cpu', '--adapter', adapter, '--instruction', question]
    const { code, err } = await jora(argv)
    if (code !== 0) throw new Error(err)
    return { asked, expected: [saw.asked[0]!] }
  },
  async chat({ adapter, tokenizer, saw }: Prepared) {
    const asked = overheard(tokenizer)
    const argv = ['chat', '--device', 'cpu', '--adapter', adapter]
    const { code, err } = await jora(argv, { stdin: `${question}\n${next}\n` })
    if (code !== 0 || err.includes('error:')) throw new Error(err)
    return { asked, expected: saw.asked }
  },
  async serve({ adapter, tokenizer, saw }: Prepared) {
    const asked = overheard(tokenizer)
    const bodies = [
      ...conversations.map((messages) => ({ messages })),
      { messages: conversations[0], documents: [{ text: document }] },
    ]
    await serving(['--adapter', adapter], async (address) => {
      for (const body of bodies) {
        const headers = { 'content-type': 'application/json' }
        const response = await fetch(`${address}/v1/chat/completions`, {
          method: 'POST',
          headers,
          body: JSON.stringify(body),
        })
        if (!response.ok) throw new Error(await response.text())
      }
    })
    return { asked, expected: [...saw.asked, saw.onDocument] }
  },
  async page({ model, adapter, tokenizer, template, saw }: Prepared) {
    const asked = overheard(tokenizer)
    const loaded = await LoadedModel.open('', { modelDir: model, adapterDir: adapter, device: 'cpu' })
    // Without a chat template the page asks one question after another.
    const history = said(question, reply).map(({ role, content }) => ({ role: role as 'user', content }))
    const asks = [
      { text: question },
      ...(template.chat === undefined ? [] : [{ text: next, history }]),
      { text: question, documents: [{ text: document }] },
    ]
    for (const ask of asks) {
      const asksOf = await questionOf(ask, loaded, () => {})
      await loaded.answerers.tuned!.ask(asksOf('tuned'))
    }
    await loaded.dispose()
    return { asked, expected: [...saw.asked.slice(0, asks.length - 1), saw.onDocument] }
  },
} satisfies Record<string, (prepared: Prepared) => Promise<{ asked: AskedPrompt[]; expected: number[][] }>>

interface LlamaCpp {
  readonly _bindings: { AddonJinjaRenderer: new (source: string) => { render(variables: object): string } }
  dispose(): Promise<void>
}
/** Opened once: each opening tries the library in a process of its own. */
let opened: Promise<LlamaCpp> | undefined
afterAll(async () => void (await (await opened)?.dispose()))

async function openLlamaCpp(): Promise<LlamaCpp> {
  const path = createRequire(join(llamaCpp!, 'none.js')).resolve('node-llama-cpp')
  const { getLlama } = (await import(pathToFileURL(path).href)) as { getLlama(options: object): Promise<LlamaCpp> }
  return getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: 'error' })
}

/** llama.cpp's own engine of templates, as node-llama-cpp has it, and its tokenizer, on a GGUF file. */
async function byLlamaCpp(gguf: string, tokenizer: Tokenizer) {
  await using file = await openGguf(gguf)
  const metadata = (key: string) => file.metadata.get(key)?.value
  const llama = await (opened ??= openLlamaCpp())
  const renderer = new llama._bindings.AddonJinjaRenderer(metadata('tokenizer.chat_template') as string)
  const tokenOf = (id: number | undefined) => (id === undefined ? '' : (tokenizer.idToToken(id) ?? ''))
  const tokens = { bos_token: tokenOf(tokenizer.bosId), eos_token: tokenOf(tokenizer.eosId) }
  const texts = conversations.map((messages) => renderer.render({ messages, add_generation_prompt: true, ...tokens }))
  const ids = await tokenizeWithLlamaCpp({ gguf, from: llamaCpp, texts })
  const bos = metadata('tokenizer.ggml.bos_token_id') as number | undefined
  // It puts BOS before a prompt that does not begin with it, where the file says so.
  const whole = ids.map((of) =>
    metadata('tokenizer.ggml.add_bos_token') === true && of[0] !== bos ? [bos!, ...of] : of,
  )
  const stops = ['eos', 'eot'].map((kind) => metadata(`tokenizer.ggml.${kind}_token_id`) as number | undefined)
  return { ids: whole, stopIds: new Set(stops) }
}

const rows: string[] = []
const modelfiles: Record<string, string> = {}

describe.each(promptCases)('$title', (promptCase) => {
  let own: Prepared
  beforeAll(async () => {
    // The day of the goldens.
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-11-29T12:00:00Z') })
    own = await prepared(promptCase)
    vi.useRealTimers()
  })

  for (const [name, way] of Object.entries(ways))
    test(`${name} asks what training saw`, async () => {
      const { asked, expected } = await way(own)
      expect(asked.map(({ ids }) => ids)).toEqual(expected)
      for (const { stopIds } of asked) expect(stopIds).toContain(own.saw.end)
    })

  test('llama.cpp renders the GGUF file’s template to what training saw', async (ctx) => {
    await exportGguf({ modelDir: own.model, adapterDir: own.adapter, output: own.gguf, dtype: 'f32' })
    ctx.skip(llamaCpp === undefined, 'needs JORA_LLAMA_CPP')
    const { ids, stopIds } = await byLlamaCpp(own.gguf, own.tokenizer)
    // llama.cpp shows the date on which it is asked.
    expect(ids).toEqual(trained(own.tokenizer, templateOf(promptCase, own.tokenizer)).asked)
    expect(stopIds).toContain(own.saw.end)
  })

  test('Go renders the Modelfile’s template to what training saw', async () => {
    await using open = await openModel(own.model)
    const { modelfile } = await modelfileOf(open, own.model, own.adapter)
    modelfiles[promptCase.title] = modelfile.template
    const { templates, texts } = JSON.parse(readFileSync(goldens, 'utf8')) as GoPrompts
    if (!process.env.JORA_WRITE_GO_TEMPLATES)
      expect(templates[promptCase.title], 'the goldens are of another template: make them anew').toBe(
        modelfile.template,
      )
    // Ollama puts BOS before it where the GGUF file says so.
    await using file = await openGguf(own.gguf)
    const addBos = file.metadata.get('tokenizer.ggml.add_bos_token')?.value === true
    const ids = (texts[promptCase.title] ?? []).map((text) => own.tokenizer.encode(text, { addBos }))
    if (!process.env.JORA_WRITE_GO_TEMPLATES) expect(ids).toEqual(own.saw.asked)
    expect(modelfile.stops).toContain(own.tokenizer.idToToken(own.saw.end))
    rows.push(
      `| ${[promptCase.title, own.saw.asked.map(({ length }) => length).join(', '), `\`${own.tokenizer.idToToken(own.saw.end)!.replaceAll('|', String.raw`\|`)}\``, ...Object.keys(ways), 'GGUF', 'Modelfile'].map((cell, i) => (i < 3 ? cell : 'same')).join(' | ')} |`,
    )
  })
})

test('the table of docs/prompts.md says so', async (ctx) => {
  if (process.env.JORA_WRITE_GO_TEMPLATES)
    writeFileSync(process.env.JORA_WRITE_GO_TEMPLATES, JSON.stringify({ templates: modelfiles, conversations }))
  ctx.skip(rows.length < promptCases.length, 'not every template was compared')
  const page = join(import.meta.dirname, '../../../../docs/prompts.md')
  const head = [
    'template',
    'tokens before the answer',
    'the answer ends with',
    ...Object.keys(ways),
    'GGUF in llama.cpp',
    'Modelfile in Go',
  ]
  const table = [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...rows].join('\n')
  const text = readFileSync(page, 'utf8').replace(
    /(<!-- table: npm run docs:prompts -->\n\n)[^]*?(\n\n<!-- end -->)/,
    (_, before: string, after: string) => before + table + after,
  )
  await expect(text).toMatchFileSnapshot(page)
})
