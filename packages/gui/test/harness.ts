// A server of its own for a test, with the fake command line or the real one, and a client that has its session.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JoraClient, type Run, type RunEvent, type RunSettings, type Stream } from '../src/client'
import { startGui, type Gui, type GuiOptions } from '../src/index'

const assets = join(import.meta.dirname, '../../../apps/cli/assets')
export const fake = join(import.meta.dirname, 'fake-jora.mjs')
export const launcher = join(import.meta.dirname, '../../../apps/cli/bin/jora.mjs')
/** Whether the real command line, and this package's own processes, are built. */
export const isBuilt =
  existsSync(join(import.meta.dirname, '../../../apps/cli/dist/main.js')) &&
  existsSync(join(import.meta.dirname, '../dist/playground-worker.js'))

export interface TestServer {
  readonly gui: Gui
  readonly client: JoraClient
  readonly cookie: string
}

export class Space {
  readonly dir = mkdtempSync(join(tmpdir(), 'jora-gui-'))
  readonly root = join(this.dir, 'root')
  readonly model = join(this.root, 'model')
  readonly rows = join(this.root, 'rows.jsonl')
  readonly questions = join(assets, 'questions.jsonl')
  readonly #servers = new Set<Gui>()

  constructor() {
    mkdirSync(this.root)
    mkdirSync(this.model)
    for (const name of [
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
      cpSync(join(assets, 'tiny-llama', name), join(this.model, name))
    const rows = ['red', 'blue', 'green'].map((word) => ({ instruction: `Say ${word}.`, output: word }))
    writeFileSync(this.rows, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  }

  /** Settings that can be, for the fake command line: steps, and how many a second. */
  settings(steps: number, rate: number, more: Partial<RunSettings> = {}): RunSettings {
    return { model: this.model, dataset: this.rows, maxSteps: steps, seed: rate, ...more }
  }

  async start(options: Partial<GuiOptions> = {}): Promise<TestServer> {
    const gui = await startGui({
      roots: [this.root],
      stateDir: join(this.dir, 'state'),
      command: [process.execPath, fake],
      bundled: { datasets: [{ path: this.questions, name: 'questions' }] },
      ...options,
    })
    this.#servers.add(gui)
    const cookie = await signIn(gui.launchUrl)
    return { gui, cookie, client: new JoraClient({ baseUrl: gui.address, headers: { cookie } }) }
  }

  async remove(): Promise<void> {
    for (const gui of this.#servers) await gui.close()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** The cookie that an address with a token gives. */
export async function signIn(url: string): Promise<string> {
  const response = await fetch(url, { redirect: 'manual' })
  return (response.headers.get('set-cookie') ?? '').split(';')[0]!
}

/** Resolves once `holds` is true. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it never came that ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** What one client has heard of a run. */
export class Follower {
  readonly events: RunEvent[] = []
  readonly stream: Stream
  run: Run | undefined

  constructor(client: JoraClient, id: string, from?: string) {
    this.stream = client.followRun(id, {
      ...(from === undefined ? {} : { from }),
      onEvent: (event) => {
        this.events.push(event)
        if (event.event === 'run') this.run = event.run
      },
    })
  }

  /** Steps of the run as the events leave them, rewinds taken back. */
  get steps(): number[] {
    let lines: (number | undefined)[] = []
    for (const event of this.events) {
      if (event.event === 'rewind') lines = lines.slice(0, event.position)
      if (event.event === 'metric') lines[event.position] = event.metric.type === 'step' ? event.metric.step : undefined
    }
    return lines.filter((step) => step !== undefined)
  }
}
