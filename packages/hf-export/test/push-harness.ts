// What the tests of push share.
import { mkdtempSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { HubError } from '@jora/llama'
import { pushToHub, type PushOptions } from '../src/index'
import { WritableHub } from './hub-server'

export const noise = (bytes: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => ((i + seed) * 7919) >> 3))
export const shard = (n: number) => `model-0000${n}-of-00003.safetensors`
export const isCommit = (path: string) => path.includes('/commit/')

export let hub: WritableHub
export let root: string
export let adapter: string
export let model: string
/** What the tests of a file need, made before them and removed after; each file calls it, as hooks belong to a file. */
export function setUp(): void {
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'jora-push-'))
    hub = new WritableHub()
    await hub.start()
    adapter = join(root, 'adapter')
    await write(adapter, {
      'adapter_config.json': '{"peft_type": "LORA"}',
      'adapter_model.safetensors': noise(200_000, 1),
      'README.md': '# mine\n',
    })
    model = join(root, 'model')
    const index = { weight_map: { a: shard(1), b: shard(2), c: shard(3) } }
    await write(model, {
      'config.json': '{}',
      'tokenizer.json': '{}',
      'model.safetensors.index.json': JSON.stringify(index),
      [shard(1)]: noise(300_000, 1),
      [shard(2)]: noise(300_000, 2),
      [shard(3)]: noise(300_000, 3),
    })
  })
  afterEach(async () => {
    await hub.stop()
    await rm(root, { recursive: true, force: true })
  })
}

export async function write(folder: string, files: Record<string, string | Buffer>): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
}

export const push = (options: Partial<PushOptions> & ({ folder: string } | { files: string[] })) =>
  pushToHub({
    repo: 'ali/tuned',
    endpoint: hub.endpoint,
    env: { HF_TOKEN: hub.token, HF_HOME: join(root, 'home') },
    backoffMs: 1,
    ...options,
  })
export const refused = (options: Partial<PushOptions> & ({ folder: string } | { files: string[] })) =>
  push(options).then(
    () => expect.unreachable('it was pushed'),
    (error: HubError) => error,
  )
export const served = (id = 'ali/tuned', branch = 'main') => Object.keys(hub.repos[id]!.branches[branch]!).sort()
export const again = () => (hub.requests = [])
