// Of the server, what is beyond plain answers: tools, log probabilities, embeddings, its own description.
import { beforeEach, describe, expect, test } from 'vitest'
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

describe('tools', () => {
  const messages = [
    { role: 'user', content: 'Rain?' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city": "Oslo"}' } }],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'yes' },
    { role: 'user', content: 'call weather' },
  ]

  test('go to the model with the calls so far, and its calls come back', async () => {
    const response = await ask(serve(), '/v1/chat/completions', post({ messages, tools, parallel_tool_calls: false }))
    expect(speaker.asked[0]!.ask).toEqual({
      messages: [
        { role: 'user', content: 'Rain?' },
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: { city: 'Oslo' } } }],
        },
        { role: 'tool', content: 'yes', tool_call_id: 'c1' },
        { role: 'user', content: 'call weather' },
      ],
      tools,
    })
    expect(await response.json()).toMatchObject({
      choices: [
        {
          message: {
            content: null,
            tool_calls: [{ type: 'function', function: { name: 'weather', arguments: '{}' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
    })
  })

  test('in a stream calls have their numbers, and come before the reason', async () => {
    const chunks = await chunksOf(await ask(serve(), '/v1/chat/completions', post({ messages, tools, stream: true })))
    const choices = chunks.map(({ choices }) => (choices as object[])[0] as { delta: Body; finish_reason: unknown })
    expect(choices.at(-2)!.delta.tool_calls).toMatchObject([
      { index: 0, function: { name: 'weather' } },
      { index: 1, function: { name: 'weather' } },
    ])
    expect(choices.at(-1)!.finish_reason).toBe('tool_calls')
  })

  test('are not shown where none is to be called', async () => {
    await ask(serve(), '/v1/chat/completions', post(chat({ tools, tool_choice: 'none' })))
    expect(speaker.asked[0]!.ask).not.toHaveProperty('tools')
  })
})

describe('log probabilities', () => {
  test('of a chat, whole and in chunks', async () => {
    const body = chat({ logprobs: true, top_logprobs: 2 })
    const whole = (await (await ask(serve(), '/v1/chat/completions', post(body))).json()) as { choices: Body[] }
    const expected = ['ONE', ' TWO', ' THREE'].map((token, i) => ({
      token,
      logprob: -1 - i,
      bytes: [...Buffer.from(token)],
      top_logprobs: [{ token, logprob: -1 - i }, { token: 'x' }],
    }))
    expect(whole.choices[0]!.logprobs).toMatchObject({ content: expected })
    const chunks = await chunksOf(await ask(serve(), '/v1/chat/completions', post({ ...body, stream: true })))
    const parts = chunks.flatMap(
      ({ choices }) => (choices as { logprobs: { content: object[] } | null }[])[0]!.logprobs?.content ?? [],
    )
    expect(parts).toMatchObject(expected)
  })

  test('of a completion, with the place of each token in the text', async () => {
    const body = { prompt: 'one two', logprobs: 1 }
    const { choices } = (await (await ask(serve(), '/v1/completions', post(body))).json()) as { choices: Body[] }
    const expected = {
      tokens: ['ONE', ' TWO'],
      token_logprobs: [-1, -2],
      top_logprobs: [{ ONE: -1 }, { ' TWO': -2 }],
      text_offset: [0, 3],
    }
    expect(choices[0]!.logprobs).toEqual(expected)
    const chunks = await chunksOf(await ask(serve(), '/v1/completions', post({ ...body, stream: true })))
    const parts = chunks.flatMap(
      (chunk) => (chunk.choices as { logprobs: typeof expected | null }[])[0]!.logprobs ?? [],
    )
    expect(parts.flatMap(({ text_offset: at }) => at)).toEqual([0, 3])
  })
})

test('embeddings: numbers or base64, of texts or ids; of a model that has none they are refused', async () => {
  const embed = async (body: Body, app = serve()) => {
    const response = await ask(app, '/v1/embeddings', post(body))
    return { status: response.status, body: (await response.json()) as { data: Body[]; usage: Body; error: Body } }
  }
  const floats = await embed({ model: 'tuned', input: ['ab', 'c'] })
  expect(floats.body).toEqual({
    object: 'list',
    model: 'tuned',
    data: [
      { object: 'embedding', index: 0, embedding: [2, 0.5] },
      { object: 'embedding', index: 1, embedding: [1, 0.5] },
    ],
    usage: { prompt_tokens: 3, total_tokens: 3 },
  })
  const { data } = (await embed({ input: [5, 6, 7], encoding_format: 'base64' })).body
  const bytes = Buffer.from(data[0]!.embedding as string, 'base64')
  expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([3, 0.5])
  expect(await embed({ input: 'ab', dimensions: 7 })).toMatchObject({
    status: 400,
    body: { error: { param: 'dimensions' } },
  })
  expect(await embed({ input: ['ab', ''] })).toMatchObject({ status: 400, body: { error: { param: 'input' } } })
  expect(await embed({})).toMatchObject({
    status: 400,
    body: { error: { message: 'input: expected a text, ids of one, or a list of either' } },
  })
  const { embed: _, ...without } = {
    ask: speaker.ask,
    askAll: speaker.askAll,
    chat: speaker.chat,
    stream: speaker.stream,
    embed: 0,
  }
  const none = serve({ models: [{ name: 'mute', answerer: without }] })
  expect(await embed({ input: 'ab' }, none)).toMatchObject({
    status: 400,
    body: { error: { message: 'the model mute gives no embeddings' } },
  })
  expect(records.at(-1)).toMatchObject({ status: 400, path: '/v1/embeddings' })
  expect(records[0]).toMatchObject({ status: 200, promptTokens: 3, completionTokens: 0 })
})

test('the server describes itself: every route of the description is one', async () => {
  const app = serve()
  const { paths } = (await (await ask(app, '/openapi.json')).json()) as {
    paths: Record<string, Record<string, object>>
  }
  for (const [path, methods] of Object.entries(paths))
    for (const method of Object.keys(methods)) {
      const at = path.replace('{name}', 'tuned')
      const response = await ask(app, at, method === 'post' ? post({}) : undefined)
      expect({ path, method, status: response.status }).toEqual({ path, method, status: method === 'post' ? 400 : 200 })
    }
})
