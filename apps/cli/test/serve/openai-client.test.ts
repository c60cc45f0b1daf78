// OpenAI's own client against `jora serve` on the bundled model: every route, whole and streamed, with numbers that agree.
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { modelSource } from '../harness'
import { serving } from './serving'

const messages = [{ role: 'user' as const, content: 'What is the capital of Peru?' }]
const greedy = { model: 'any', messages, temperature: 0, max_completion_tokens: 6 }

describe.skipIf(!modelSource)('the client openai (needs the bundled model)', () => {
  test('chats, completions, log probabilities, embeddings, refusals', async () => {
    await serving(['--model', modelSource!, '--api-key', 'key'], async (address, [model]) => {
      const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: 'key', maxRetries: 0 })
      const asked = { ...greedy, model: model! }
      const whole = await client.chat.completions.create({ ...asked, logprobs: true, top_logprobs: 2 })
      const [choice] = whole.choices
      const said = choice!.message.content!
      expect(choice!.logprobs!.content!.map(({ token }) => token).join('')).toBe(said)
      for (const { logprob, top_logprobs: top } of choice!.logprobs!.content!) {
        expect(logprob).toBeLessThanOrEqual(0)
        // What is taken at temperature 0 is the likeliest.
        expect(top.map((likely) => likely.logprob)).toEqual([logprob, expect.any(Number)])
      }

      const stream = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } })
      expect(await stream.finalContent()).toBe(said)
      expect(await stream.totalUsage()).toEqual(whole.usage)

      const warm = { ...asked, temperature: 2, n: 3, seed: 3 }
      const [several, again] = [await client.chat.completions.create(warm), await client.chat.completions.create(warm)]
      const texts = several.choices.map(({ message }) => message.content)
      expect(new Set(texts).size).toBeGreaterThan(1)
      expect(again.choices.map(({ message }) => message.content)).toEqual(texts)

      const body = { model: model!, prompt: ['Peru', 'The capital'], max_tokens: 3, temperature: 0, logprobs: 1 }
      const { choices, usage } = await client.completions.create(body)
      expect(usage!.completion_tokens).toBe(6)
      for (const { text, logprobs } of choices) expect(logprobs!.tokens!.join('')).toBe(text)
      const [word] = choices[0]!.logprobs!.tokens!
      const stopped = await client.completions.create({ ...body, prompt: 'Peru', stop: word! })
      expect(stopped.choices[0]).toMatchObject({ text: '', finish_reason: 'stop' })

      // The client asks for base64 by itself.
      const { data } = await client.embeddings.create({ model: model!, input: ['Lima', 'Lima', 'Nairobi'] })
      const [a, b, c] = data.map(({ embedding }) => embedding)
      expect(Math.hypot(...a!)).toBeCloseTo(1, 4)
      expect(b).toEqual(a)
      expect(c).not.toEqual(a)

      const tools = [{ type: 'function' as const, function: { name: 'f', parameters: {} } }]
      await expect(client.chat.completions.create({ ...asked, tools })).rejects.toThrow(
        'chat template, which tools need',
      )
      const stranger = new OpenAI({ baseURL: `${address}/v1`, apiKey: 'other', maxRetries: 0 })
      await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    })
  })
})
