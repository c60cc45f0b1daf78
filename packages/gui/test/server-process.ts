// The server as a process of its own, which a test can kill: bundled from its sources.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { JoraClient } from '../src/client'
import type { GuiOptions } from '../src/index'
import { signIn } from './harness'

const packageDir = join(import.meta.dirname, '..')

const script = `
import { startGui } from './src/index'
const gui = await startGui(JSON.parse(process.argv[2]))
process.on('SIGTERM', async () => {
  await gui.close()
  process.exit(0)
})
console.log(gui.launchUrl)
`

/** Bundles the server once. @returns the file */
export async function bundleServer(): Promise<string> {
  const folder = join(packageDir, 'node_modules', '.cache')
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, `server-${process.pid}.mjs`)
  await build({
    stdin: { contents: script, resolveDir: packageDir, loader: 'ts' },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@jora/source'],
    // What a server of runs never opens.
    external: ['onnxruntime-node', 'webgpu', 'koffi', '*.node'],
    banner: {
      js: `import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);`,
    },
    logLevel: 'silent',
  })
  return outfile
}

export class ServerProcess {
  private constructor(
    readonly child: ChildProcess,
    readonly client: JoraClient,
  ) {}

  static async start(file: string, options: GuiOptions): Promise<ServerProcess> {
    const child = spawn(process.execPath, [file, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const cookie = await signIn(url)
    return new ServerProcess(child, new JoraClient({ baseUrl: new URL(url).origin, headers: { cookie } }))
  }

  /** @param signal SIGTERM lets it close, SIGKILL does not */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ended = once(this.child, 'exit')
    this.child.kill(signal)
    await ended
  }
}
