// jora push against a small Hub on localhost: what is shown, what stays after Ctrl-C, the card it writes.
import { mkdtempSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { WritableHub } from '../../../packages/hf-export/test/hub-server'
import type { Io, Session } from '../src/io'
import { run } from '../src/program'
import { PushDisplay } from '../src/ui/push-display'
import { jora } from './harness'

let hub: WritableHub
let root: string
let input: string
let env: Io['env']
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'jora-cli-push-'))
  hub = new WritableHub()
  await hub.start()
  env = { HF_TOKEN: hub.token, HF_ENDPOINT: hub.endpoint, HF_HOME: root }
  input = join(root, 'out')
  await mkdir(input)
  const config = { base_model_name_or_path: 'org/base', r: 4, lora_alpha: 8, target_modules: ['q_proj'] }
  await writeFile(join(input, 'adapter_config.json'), JSON.stringify(config))
  await writeFile(join(input, 'adapter_model.safetensors'), Buffer.alloc(300_000, 7))
  await writeFile(join(input, 'run.json'), '{"version":"1.0.0"}')
})
afterEach(async () => {
  await hub.stop()
  await rm(root, { recursive: true, force: true })
})

const push = (...more: string[]) => jora(['push', '--input', input, '--repo-id', 'ali/tuned', ...more], { env })
const served = () => hub.repos['ali/tuned']!.branches.main!

test('tells what goes and where it is, with a card of its own', async () => {
  const { code, out, err } = await push()
  expect({ code, out }).toEqual({ code: 0, out: '' })
  expect(err).toMatch(/^ali\/tuned · new, private\n/)
  expect(err).toMatch(/\n {2}adapter_model.safetensors +300.0 kB\n/)
  expect(err).toContain('not pushed: run.json (record of the run)')
  expect(err).toMatch(new RegExp(`done   3 files, 300\\.\\d kB, in 1 commit, .*\\n\\n${hub.endpoint}/ali/tuned\\n$`))
  const card = served()['README.md']!.toString()
  expect(parse(/^---\n([\s\S]*?)\n---\n/.exec(card)![1]!)).toEqual({
    base_model: 'org/base',
    base_model_relation: 'adapter',
    library_name: 'peft',
    pipeline_tag: 'text-generation',
    tags: ['lora', 'jora'],
  })
  await writeFile(join(input, 'README.md'), '# mine\n')
  expect((await push('--dry-run', '--base-model', 'org/other')).err).toMatch(/^note: README\.md of the folder is kept/)
  await rm(join(input, 'README.md'))
  const second = await push()
  expect(second.err).toMatch(/done {3}all 2 files were already there/)
})

test('--dry-run changes nothing; --json prints one document', async () => {
  const { code, err } = await push('--dry-run')
  expect(code).toBe(0)
  expect(err).toMatch(/dry run {2}3 files of 30\d\.\d kB to push; nothing was changed\n$/)
  expect(hub.writes()).toEqual([])
  const { out } = await push('--json', '--public', '--revision', 'v2', '--commit-message', 'Second')
  expect(JSON.parse(out)).toMatchObject({ repo: 'ali/tuned', visibility: 'public', revision: 'v2', dryRun: false })
  expect(hub.repos['ali/tuned']!.titles).toEqual(['Second'])
})

test('shows a bar with bytes on a terminal', async () => {
  const { err } = await jora(['push', '--input', input, '--repo-id', 'ali/tuned'], { env, isTTY: true })
  expect(err).toMatch(/━+.* kB of 30\d\.\d kB/)
})

test('refusals end with 1, in one line that holds no token', async () => {
  env = { ...env, HF_TOKEN: 'hf_wrong' }
  const { code, err } = await push()
  expect(code).toBe(1)
  expect(err).toMatch(/^error: ali\/tuned: the token from HF_TOKEN was refused \(401\).*\n$/)
  expect(err).not.toContain('hf_wrong')
})

test('Ctrl-C ends with 130 and says how to go on', async () => {
  let interrupt = () => {}
  let told = ''
  const io: Io = {
    stdout: { write: () => {}, isTTY: false, columns: 100 },
    stderr: { write: (text) => void (told += text), isTTY: false, columns: 100 },
    env,
    readStdin: async () => '',
    async *readLines() {},
    onInterrupt: (listener) => ((interrupt = listener), () => {}),
    endNow: () => {},
    turnToTell: async () => '',
  }
  hub.cut = () => (interrupt(), false)
  const argv = ['push', '--input', input, '--repo-id', 'ali/tuned']
  expect(await run(argv, io)).toBe(130)
  expect(told).toMatch(
    new RegExp(
      `0 of 3 files are in ali/tuned; files that were sent are not sent again. Continue with:\\n {2}jora ${argv.join(' ')}\\n$`,
    ),
  )
  hub.cut = undefined
  expect((await push()).code).toBe(0)
  expect(Object.keys(served())).toHaveLength(4)
})

test('a pull request: its page; one that was opened is gone on with, not opened twice', async () => {
  hub.addRepo('ali/tuned')
  const { err } = await push('--create-pr')
  expect(err).toMatch(new RegExp(`${hub.endpoint}/ali/tuned/discussions/1\\n$`))
  expect(Object.keys(served())).toEqual(['.gitattributes'])
  let told = ''
  const stderr = { write: (text: string) => void (told += text), isTTY: false, columns: 100 }
  const argv = ['push', '--input', 'my out', '--create-pr', '--revision', 'main', '--repo-id', 'ali/tuned']
  const display = new PushDisplay({ stderr, env: {}, argv } as unknown as Session)
  display.show({ type: 'commit', files: ['a'], pullRequestUrl: 'https://hub/ali/tuned/discussions/12' })
  display.stays('ali/tuned')
  expect(told).toContain("\n  jora push --input 'my out' --repo-id ali/tuned --revision refs/pr/12\n")
})
