// jora serve and jora chat on a real model: what they answer is what generate answers, adapters together as each alone.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeTinyEncoder } from '../../../../packages/llama/test/tiny-encoder'
import { jora, modelSource, rows, workspace } from '../harness'
import { serving } from './serving'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const question = rows[0]!.instruction
const base = ['--device', 'cpu'] as const

describe.skipIf(!modelSource)('an adapter in use (needs the bundled model)', () => {
  /** What generate says, as JSON. */
  const generated = async (...more: string[]) => {
    const { code, out, err } = await jora(['generate', ...base, '--json', '--max-new-tokens', '6', ...more])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    return JSON.parse(out) as { text: string; tokens: number[] }
  }

  beforeAll(async () => {
    for (const [name, template, rate] of [
      ['red', 'alpaca', '2e-2'],
      ['raft', 'raft', '1e-2'],
    ] as const) {
      const settings = `--prompt-template ${template} --lr ${rate} --max-steps 6 --lora-r 4 --batch-size 4 --warmup-steps 0 --gradient-accumulation-steps 1 --target-modules q_proj,v_proj`
      const files = ['--model', path('model'), '--dataset', path('rows.json'), '--output-dir', path(name)]
      const { code, err } = await jora(['train', ...files, ...base, ...settings.split(' ')])
      if (code !== 0) throw new Error(err)
    }
  }, 120_000)

  const ask = async (address: string, body: object) => {
    const response = await fetch(`${address}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: question }], temperature: 0, max_tokens: 6, ...body }),
    })
    expect(response.status).toBe(200)
    const { choices, ...rest } = (await response.json()) as {
      choices: { message: { content: string } }[]
      usage: { prompt_tokens: number; completion_tokens: number }
      citations?: { title?: string; text: string }[]
    }
    return { text: choices[0]!.message.content, ...rest }
  }

  test('two adapters and their base answer interleaved requests as each does alone, and as generate', async () => {
    const names = ['red', 'raft', 'model'] as const
    const expected = {
      red: await generated('--adapter', path('red'), '--instruction', question),
      raft: await generated('--adapter', path('raft'), '--instruction', question),
      model: await generated('--model', path('model'), '--instruction', question),
    }
    expect(new Set(Object.values(expected).map(({ text }) => text)).size).toBeGreaterThan(1)
    const err = await serving(
      ['--adapter', path('red'), '--adapter', `raft=${path('raft')}`, '--log', 'json'],
      async (address, models) => {
        expect(models).toEqual(names)
        const asked = [...names, ...names, ...names]
        const answers = await Promise.all(asked.map((model) => ask(address, { model })))
        answers.forEach(({ text, usage }, i) => {
          const { text: own, tokens } = expected[asked[i]!]
          expect({ text, count: usage.completion_tokens }).toEqual({ text: own, count: tokens.length })
        })
        // Who names no model asks what was tuned.
        expect((await ask(address, {})).text).toBe(expected.red.text)
      },
    )
    const logged = err.split('\n').filter((line) => line.startsWith('{'))
    expect(logged).toHaveLength(10)
    expect(JSON.parse(logged[0]!)).toMatchObject({ path: '/v1/chat/completions', status: 200 })
    expect(err).not.toContain(question)
  })

  test('with --documents the best passages come with the question, and back as citations', async () => {
    writeFileSync(path('peru.txt'), 'The capital of Peru is Lima.')
    const asked = 'What is the capital of Peru?'
    const expected = await generated('--adapter', path('raft'), '--question', asked, '--document', path('peru.txt'))
    await serving(['--adapter', path('raft'), '--documents', path('peru.txt')], async (address) => {
      const { text, citations } = await ask(address, { messages: [{ role: 'user', content: asked }] })
      expect(citations).toMatchObject([{ text: 'The capital of Peru is Lima.' }])
      expect(text).toBe(expected.text)
    })
  })

  test('with --retriever the passages are those that it finds', async () => {
    mkdirSync(path('encoder'))
    await writeTinyEncoder(path('encoder'))
    mkdirSync(path('towns'))
    for (const town of ['Lima', 'Rome', 'Oslo']) writeFileSync(path(`towns/${town}.txt`), `${town} is a town.`)
    const dense = ['--retriever', 'dense', '--embedder', path('encoder'), '--index-dir', path('vectors')]
    await serving(
      ['--adapter', path('raft'), '--documents', path('towns'), '--retrieve', '2', ...dense],
      async (address) => {
        const { citations } = await ask(address, { messages: [{ role: 'user', content: 'Oslo is a town.' }] })
        expect(citations).toHaveLength(2)
        // The text itself is nearest to itself.
        expect(citations![0]).toMatchObject({ text: 'Oslo is a town.' })
      },
    )
  })

  test('with --index the passages are those of the index, whose documents may be gone; what is none is refused', async () => {
    mkdirSync(path('index-encoder'))
    await writeTinyEncoder(path('index-encoder'))
    mkdirSync(path('cities'))
    for (const city of ['Lima', 'Rome', 'Oslo']) writeFileSync(path(`cities/${city}.txt`), `${city} is a city.`)
    const dense = ['--retriever', 'dense', '--retrieve', '1']
    const asked = { messages: [{ role: 'user', content: 'Oslo is a city.' }] }
    const made = ['--documents', path('cities'), '--index-dir', path('index'), '--embedder', path('index-encoder')]
    const cited = async (...argv: string[]) => {
      let found: unknown
      await serving(['--adapter', path('raft'), ...dense, ...argv], async (address) => {
        found = (await ask(address, asked)).citations
      })
      return found
    }
    const before = await cited(...made)
    expect(before).toMatchObject([{ text: 'Oslo is a city.' }])
    rmSync(path('cities'), { recursive: true })
    expect(await cited('--index', path('index'))).toEqual(before)

    const refused = async (...argv: string[]) => {
      const { code, err } = await jora(['serve', ...base, '--adapter', path('raft'), ...dense, ...argv])
      expect(code).not.toBe(0)
      return err
    }
    expect(await refused('--index', path('raft'))).toContain(`${path('raft')} is not an index of passages`)
    expect(await refused('--index', path('index'), '--documents', path('rows.json'))).toContain('pass one of them')
    const manifest = path('index/index.json')
    const text = readFileSync(manifest, 'utf8')
    writeFileSync(manifest, text.replace(/"digest": "...../, '"digest": "other'))
    expect(await refused('--index', path('index'))).toContain('its vectors are of the encoder')
  })

  test('a host that others reach needs a key; adapters of one name are told apart', async () => {
    const open = await jora(['serve', '--adapter', path('red'), '--host', '0.0.0.0'])
    expect(open).toMatchObject({ code: 2 })
    expect(open.err).toContain('give a key with --api-key KEY or JORA_API_KEY')
    const twice = await jora(['serve', '--adapter', path('red'), '--adapter', `red=${path('raft')}`])
    expect(twice.err).toContain('two adapters are called red')
  })

  test('chat answers as generate does, keeps the conversation, and saves it as a row', async () => {
    const first = await generated('--adapter', path('red'), '--instruction', question)
    const lines = [question, '/compare', '/retry', '/nothing', `/save ${path('talk.jsonl')}`, '/exit', 'not asked']
    const { code, out, err } = await jora(['chat', ...base, '--adapter', path('red'), '--max-new-tokens', '6'], {
      stdin: lines.map((line) => `${line}\n`).join(''),
    })
    expect(code).toBe(0)
    const plain = await generated('--model', path('model'), '--prompt-template', 'alpaca', '--instruction', question)
    expect(out).toBe(`${first.text}\nbase: ${await baseText(plain.text)}\ntuned: ${first.text}\n`)
    expect(err).toContain('there is no command /nothing')
    const saved = JSON.parse(readFileSync(path('talk.jsonl'), 'utf8')) as { messages: object[] }
    expect(saved.messages).toEqual([
      { role: 'user', content: question },
      { role: 'assistant', content: first.text.trim() },
    ])
  })

  /** The base has the template of its model, or the Alpaca prompt: what the bundled one has. */
  const baseText = async (alpaca: string) => {
    const { text } = await generated('--model', path('model'), '--instruction', question)
    expect(text).toBe(alpaca)
    return text
  }

  test('chat --context answers from a text, and a bad file leaves the conversation as it is', async () => {
    const asked = 'What is the capital of Peru?'
    const stdin = `/context ${path('none.txt')}\n/context ${path('peru.txt')}\n${asked}\n`
    const { code, out, err } = await jora(
      ['chat', ...base, '--adapter', path('raft'), '--max-new-tokens', '6', '--json'],
      { stdin },
    )
    expect(code).toBe(0)
    expect(err).toContain('error: ')
    expect(err).toContain('answered from: peru.txt')
    const { messages } = JSON.parse(out) as { messages: { role: string; content: string }[] }
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant'])
  })
})
