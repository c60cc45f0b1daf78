// OpenAI's own client, over HTTP: answers, streams, errors, and clients that leave.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createServe, listen, type Listening } from '../src/index'
import { Speaker } from './speaker'

let server: Listening
let client: OpenAI
const speaker = new Speaker()
beforeAll(async () => {
  const { fetch } = createServe({ models: [{ name: 'tiny', answerer: speaker }], apiKey: 'key', mostRequests: 2 })
  server = await listen(fetch)
  client = new OpenAI({ baseURL: `${server.address}/v1`, apiKey: 'key', maxRetries: 0 })
})
afterAll(() => server.close())
beforeEach(() => {
  speaker.pace = async () => {}
  speaker.left = 0
})

const messages = [{ role: 'user' as const, content: 'one two three' }]

test('chats, completions and models', async () => {
  const chat = await client.chat.completions.create({ model: 'tiny', messages, max_completion_tokens: 2 })
  expect(chat.choices[0]).toMatchObject({ message: { role: 'assistant', content: 'ONE TWO' }, finish_reason: 'length' })
  expect(chat.usage?.total_tokens).toBe(5)
  const completion = await client.completions.create({ model: 'tiny', prompt: 'a b' })
  expect(completion.choices[0]!.text).toBe('A B')
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['tiny'])
})

test('a stream comes word by word', async () => {
  let said = ''
  const stream = await client.chat.completions.create({ model: 'tiny', messages, stream: true })
  for await (const { choices } of stream) said += choices[0]?.delta.content ?? ''
  expect(said).toBe('ONE TWO THREE')
  const whole = client.chat.completions.stream({ model: 'tiny', messages })
  expect(await whole.finalContent()).toBe('ONE TWO THREE')
})

test('errors are the client’s own classes', async () => {
  const create = (body: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>) =>
    client.chat.completions.create({ model: 'tiny', messages, ...body })
  await expect(create({ model: 'gpt' })).rejects.toBeInstanceOf(OpenAI.NotFoundError)
  await expect(create({ messages: [] })).rejects.toBeInstanceOf(OpenAI.BadRequestError)
  const stranger = new OpenAI({ baseURL: `${server.address}/v1`, apiKey: 'other', maxRetries: 0 })
  await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
})

test('who leaves, streaming or not, disturbs nobody and leaves the place to others', async () => {
  let release!: () => void
  const held = new Promise<void>((resolve) => (release = resolve))
  speaker.pace = async (place) => (place === 0 ? undefined : held)
  const abort = new AbortController()
  const gone = client.chat.completions.create({ model: 'tiny', messages }, { signal: abort.signal })
  const stream = await client.chat.completions.create({ model: 'tiny', messages, stream: true })
  await expect(client.chat.completions.create({ model: 'tiny', messages })).rejects.toBeInstanceOf(
    OpenAI.RateLimitError,
  )
  abort.abort()
  await expect(gone).rejects.toThrow('aborted')
  for await (const _chunk of stream) break
  await expect.poll(() => speaker.left, { timeout: 10_000 }).toBe(2)
  release()
  const [a, b] = await Promise.all([0, 1].map(() => client.chat.completions.create({ model: 'tiny', messages })))
  expect([a, b].map((answer) => answer!.choices[0]!.message.content)).toEqual(['ONE TWO THREE', 'ONE TWO THREE'])
})

// A check by hand, as all in tooling/clients: JORA_LANGCHAIN names a Python with langchain and langchain-openai. What the model
// says is fixed, as no model that is small enough for a test calls tools reliably.
const pythons = [process.env.JORA_LANGCHAIN].filter((path) => path !== undefined)
test.each(pythons)('an agent of LangChain calls its tool, hears its results and answers from them', async (python) => {
  const scripted = new Speaker()
  const own = await listen(createServe({ models: [{ name: 'speaker', answerer: scripted }] }).fetch)
  try {
    const script = join(import.meta.dirname, '../../../tooling/clients/agent.py')
    const { stdout } = await promisify(execFile)(python, [script, `${own.address}/v1`, 'call look_up', '--expect-call'])
    expect(stdout).toContain('ok  langchain: the same streamed')
    const roles = scripted.asked.flatMap(({ ask }) =>
      'messages' in ask ? [ask.messages.map(({ role }) => role).join()] : [],
    )
    // Both calls and both results went back to the model.
    expect(roles).toContain('system,user,assistant,tool,tool')
  } finally {
    await own.close()
  }
})
