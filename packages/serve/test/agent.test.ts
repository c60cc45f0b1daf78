// An agent of LangChain in Python that calls a tool until it can answer. JORA_LANGCHAIN names a Python with langchain and
// langchain-openai; what the model says is fixed, as no model that is small enough for a test calls tools reliably.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createServe, listen } from '../src/index'
import { Speaker } from './speaker'

const python = process.env.JORA_LANGCHAIN
const script = join(import.meta.dirname, '../../../tooling/clients/agent.py')

test(
  'an agent of LangChain calls its tool, hears its results and answers from them',
  { timeout: 300_000 },
  async (ctx) => {
    ctx.skip(!python, 'JORA_LANGCHAIN names no Python with langchain')
    const speaker = new Speaker()
    const server = await listen(createServe({ models: [{ name: 'speaker', answerer: speaker }] }).fetch)
    try {
      const argv = [script, `${server.address}/v1`, 'call look_up', '--expect-call']
      const { stdout } = await promisify(execFile)(python!, argv)
      expect(stdout).toContain('ok  langchain: the same streamed')
      const roles = speaker.asked.flatMap(({ ask }) =>
        'messages' in ask ? [ask.messages.map(({ role }) => role).join()] : [],
      )
      // Both calls and both results went back to the model.
      expect(roles).toContain('system,user,assistant,tool,tool')
    } finally {
      await server.close()
    }
  },
)
