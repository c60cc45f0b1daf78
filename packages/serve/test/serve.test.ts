// The server as OpenAI's clients see it: whole answers and streams, errors in their form, keys, hosts, the queue.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RequestRecord, ServeOptions } from '../src/index'
import { ask, chat, chunksOf, post, Stage, tools, type Body } from './requests'
import type { Speaker } from './speaker'

let stage: Stage
let speaker: Speaker
let records: RequestRecord[]
beforeEach(() => {
  stage = new Stage()
  ;({ speaker, records } = stage)
})
const serve = (options: Partial<ServeOptions> = {}) => stage.serve(options)

describe('chat', () => {
  test('a whole answer, with usage', async () => {
    const response = await ask(serve(), '/v1/chat/completions', post(chat({ max_tokens: 2 })))
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^chatcmpl-/) as string,
      object: 'chat.completion',
      created: expect.any(Number) as number,
      model: 'tuned',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'ONE TWO', refusal: null },
          logprobs: null,
          finish_reason: 'length',
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    })
    expect(records).toMatchObject([{ status: 200, model: 'tuned', promptTokens: 3, completionTokens: 2 }])
  })

  test('settings reach the model; nulls and what is not known are left aside', async () => {
    const body = chat({
      model: null,
      temperature: 0.5,
      top_p: 0.9,
      seed: 7,
      stop: 'x',
      presence_penalty: 1,
      frequency_penalty: null,
      max_completion_tokens: 5,
      user: 'someone',
      tools: [],
      logprobs: false,
      response_format: { type: 'text' },
      n: 2,
    })
    const response = await ask(serve(), '/v1/chat/completions', post(body))
    const answer = (await response.json()) as { model: string; choices: Body[]; usage: Body }
    expect(answer.model).toBe('org/base')
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1])
    // What is asked twice is one prompt.
    expect(answer.usage).toEqual({ prompt_tokens: 3, completion_tokens: 6, total_tokens: 9 })
    const common = {
      temperature: 0.5,
      topP: 0.9,
      stop: ['x'],
      presencePenalty: 1,
      frequencyPenalty: 0,
      maxNewTokens: 5,
    }
    expect(speaker.asked.map(({ options }) => options)).toMatchObject([
      { ...common, seed: 7 },
      { ...common, seed: 8 },
    ])
  })

  test('messages in parts, and of developers; documents are what the last is about, and come back as citations', async () => {
    const messages = [
      { role: 'developer', content: 'Be short.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'one ' },
          { type: 'text', text: 'two' },
        ],
      },
    ]
    const documents = [{ title: 'Peru', text: 'Lima.' }]
    const response = await ask(serve(), '/v1/chat/completions', post({ messages, documents }))
    expect(speaker.asked[0]!.ask).toEqual({
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'one two' },
      ],
      documents,
    })
    expect(await response.json()).toMatchObject({ citations: [{ index: 0, title: 'Peru', text: 'Lima.', score: 1 }] })
  })

  test('a stream: role first, words, the reason, usage where it is asked for', async () => {
    const body = chat({ stream: true, n: 2, stream_options: { include_usage: true } })
    const chunks = await chunksOf(await ask(serve(), '/v1/chat/completions', post(body)))
    const choices = chunks.flatMap(
      (chunk) => chunk.choices as { index: number; delta: { content?: string }; finish_reason: unknown }[],
    )
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    for (const index of [0, 1]) {
      const own = choices.filter((choice) => choice.index === index)
      expect(own[0]!.delta).toEqual({ role: 'assistant', content: 'ONE' })
      expect(own.map(({ delta }) => delta.content ?? '').join('')).toBe('ONE TWO THREE')
      expect(own.map((choice) => choice.finish_reason)).toEqual([null, null, null, 'stop'])
    }
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 6, total_tokens: 9 },
    })
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true)
    const without = await chunksOf(await ask(serve(), '/v1/chat/completions', post(chat({ stream: true }))))
    expect(without.some((chunk) => 'usage' in chunk)).toBe(false)
  })
})

test('completions: prompts as they are, several at once, in a stream too', async () => {
  const whole = await ask(serve(), '/v1/completions', post({ model: 'tuned', prompt: ['a b', 'c'] }))
  expect(await whole.json()).toMatchObject({
    object: 'text_completion',
    choices: [
      { index: 0, text: 'A B', finish_reason: 'stop' },
      { index: 1, text: 'C', finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 3 },
  })
  expect(speaker.asked.map((each) => each.ask)).toEqual([{ prompt: 'a b' }, { prompt: 'c' }])
  const chunks = await chunksOf(await ask(serve(), '/v1/completions', post({ prompt: 'a b', stream: true })))
  expect(chunks.map(({ choices }) => (choices as { text: string }[])[0]!.text)).toEqual(['A', ' B', ''])
})

test('models are listed, and found by names with slashes', async () => {
  const list = (await (await ask(serve(), '/v1/models')).json()) as { data: Body[] }
  expect(list.data.map(({ id, object }) => [id, object])).toEqual([
    ['org/base', 'model'],
    ['tuned', 'model'],
  ])
  expect(await (await ask(serve(), '/v1/models/org/base')).json()).toMatchObject({ id: 'org/base' })
  expect((await ask(serve(), '/v1/models/other')).status).toBe(404)
})

describe('errors have OpenAI’s form', () => {
  const long = Array.from({ length: 101 }, () => 'a').join(' ')
  const bad: readonly (readonly [what: string, status: number, body: unknown, error: Body])[] = [
    ['no JSON', 400, '{"messages"', { type: 'invalid_request_error' }],
    ['no messages', 400, {}, { param: 'messages', message: 'messages: is missing' }],
    [
      'half an emoji',
      400,
      chat({ messages: [{ role: 'user', content: 'a \ud83d' }] }),
      { param: 'messages[0].content', message: expect.stringContaining('half a surrogate pair (U+D83D)') as string },
    ],
    ['an unknown role', 400, chat({ messages: [{ role: 'king', content: '' }] }), { param: 'messages.0.role' }],
    [
      'a picture',
      400,
      chat({ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }),
      { param: 'messages.0.content' },
    ],
    ['a temperature that cannot be', 400, chat({ temperature: -1 }), { param: 'temperature' }],
    ['a tool that is none', 400, chat({ tools: [{}] }), { param: 'tools.0.type' }],
    [
      'a call that is forced',
      400,
      chat({ tools, tool_choice: 'required' }),
      { param: 'tool_choice', message: expect.stringContaining('cannot force a call') as string },
    ],
    ['likely tokens without log probabilities', 400, chat({ top_logprobs: 2 }), { param: 'top_logprobs' }],
    [
      'a call whose arguments are no JSON',
      400,
      chat({ messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: '{' } }] }] }),
      { param: 'messages.0.tool_calls.0.function.arguments' },
    ],
    [
      'an assistant that says nothing',
      400,
      chat({ messages: [{ role: 'assistant' }] }),
      { param: 'messages.0.content' },
    ],
    [
      'a model that is not there',
      404,
      chat({ model: 'gpt' }),
      { type: 'not_found_error', code: 'model_not_found', param: 'model' },
    ],
    [
      'a prompt that is too long',
      400,
      chat({ messages: [{ role: 'user', content: long }] }),
      { code: 'context_length_exceeded' },
    ],
    [
      'the same in a stream',
      400,
      chat({ stream: true, messages: [{ role: 'user', content: long }] }),
      { code: 'context_length_exceeded' },
    ],
    ['a fault of the model', 500, chat({ messages: [{ role: 'user', content: 'break' }] }), { type: 'server_error' }],
  ]
  test.each(bad)('%s: %i', async (_what, status, body, error) => {
    const response = await ask(serve(), '/v1/chat/completions', post(body))
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: { message: expect.any(String) as string, ...error } })
  })

  test('a fault half way ends the stream with an error', async () => {
    const body = chat({ stream: true, messages: [{ role: 'user', content: 'a break b' }] })
    const response = await ask(serve(), '/v1/chat/completions', post(body))
    const events = (await response.text()).split('\n\n').filter(Boolean)
    expect(JSON.parse(events.at(-1)!.replace('data: ', ''))).toMatchObject({ error: { type: 'server_error' } })
    expect(records).toMatchObject([{ status: 500 }])
  })

  test('a body that is too large, of another type, an unknown path', async () => {
    const small = serve({ bodyLimitBytes: 100 })
    expect((await ask(small, '/v1/chat/completions', post(chat({ user: 'a'.repeat(200) })))).status).toBe(413)
    const form = post(chat(), { 'content-type': 'text/plain' })
    expect((await ask(small, '/v1/chat/completions', form)).status).toBe(415)
    const unknown = await ask(small, '/v1/images', post({}))
    expect({ status: unknown.status, body: await unknown.json() }).toMatchObject({ status: 404, body: { error: {} } })
  })
})

describe('who may ask', () => {
  test('a foreign name (DNS rebinding), the page of another server', async () => {
    const app = serve()
    for (const headers of [
      { host: 'evil.example' },
      { host: '127.0.0.1:8000', origin: 'http://evil.example' },
      { host: '127.0.0.1:8000', 'sec-fetch-site': 'cross-site' },
    ]) {
      const response = await ask(app, '/v1/chat/completions', post(chat(), headers))
      expect(response.status).toBe(403)
      expect(await response.json()).toMatchObject({ error: { type: 'permission_error' } })
    }
    expect(speaker.asked).toEqual([])
    const own = { host: 'localhost:8000', origin: 'http://localhost:8000' }
    expect((await ask(app, '/v1/chat/completions', post(chat(), own))).status).toBe(200)
  })

  test('with a key only who brings it; health needs none', async () => {
    const app = serve({ apiKey: 'secret' })
    expect((await ask(app, '/health')).status).toBe(200)
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'secret' }])
      expect((await ask(app, '/v1/chat/completions', post(chat(), headers))).status).toBe(401)
    expect((await ask(app, '/metrics')).status).toBe(401)
    const right = post(chat(), { authorization: 'Bearer secret' })
    expect((await ask(app, '/v1/chat/completions', right)).status).toBe(200)
  })

  test('a host that others reach needs a key', () => {
    expect(() => serve({ host: '0.0.0.0' })).toThrow('others can reach 0.0.0.0')
    expect(() => serve({ models: [] })).toThrow('there is no model to serve')
  })
})

describe('the queue', () => {
  let release: () => void
  beforeEach(() => {
    const held = new Promise<void>((resolve) => (release = resolve))
    speaker.pace = () => held
  })
  afterEach(() => release())

  test('more than may wait get 429 with Retry-After; a place that is left is given again', async () => {
    const app = serve({ mostRequests: 2 })
    const first = [0, 1].map(() => ask(app, '/v1/chat/completions', post(chat())))
    await expect.poll(() => speaker.asked.length).toBe(2)
    const refused = await ask(app, '/v1/chat/completions', post(chat()))
    expect({ status: refused.status, retry: refused.headers.get('retry-after') }).toEqual({ status: 429, retry: '5' })
    expect(await refused.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'queue_full' } })
    release()
    for (const response of await Promise.all(first)) expect(response.status).toBe(200)
    expect((await ask(app, '/v1/chat/completions', post(chat()))).status).toBe(200)
  })

  test('a client that goes away ends its answer and leaves its place', async () => {
    const app = serve({ mostRequests: 1 })
    const abort = new AbortController()
    const gone = ask(app, '/v1/chat/completions', post(chat(), {}, abort.signal))
    await expect.poll(() => speaker.asked.length).toBe(1)
    abort.abort()
    release()
    await gone.catch(() => {})
    expect(speaker.left).toBe(1)
    expect(records).toMatchObject([{ status: 499 }])
    expect((await ask(app, '/v1/chat/completions', post(chat()))).status).toBe(200)
  })

  test('so does one that leaves a stream', async () => {
    release()
    const app = serve({ mostRequests: 1 })
    const response = await ask(app, '/v1/chat/completions', post(chat({ stream: true })))
    const reader = response.body!.getReader()
    await reader.read()
    await reader.cancel()
    expect(speaker.left).toBe(1)
    expect((await ask(app, '/v1/chat/completions', post(chat()))).status).toBe(200)
  })
})

test('metrics count requests, tokens and programs', async () => {
  const app = serve({ programs: () => ({ kept: 3, compiled: 5 }) })
  await ask(app, '/v1/chat/completions', post(chat()))
  await ask(app, '/v1/chat/completions', post(chat({ model: 'gpt' })))
  const text = await (await ask(app, '/metrics')).text()
  expect(text).toContain('# TYPE jora_requests_total counter')
  expect(text).toContain('jora_requests_total{path="/v1/chat/completions",status="200"} 1')
  expect(text).toContain('jora_requests_total{path="/v1/chat/completions",status="404"} 1')
  expect(text).toContain('jora_tokens_total{model="tuned",kind="completion"} 3')
  expect(text).toContain('jora_requests_in_work 0')
  expect(text).toContain('jora_programs 3')
  expect(text).toContain('# TYPE jora_programs_compiled_total counter\njora_programs_compiled_total 5')
})
