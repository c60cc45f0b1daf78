// The headless Chromium of the npm package @sparticuz/chromium, with the libraries and the font it comes with.
import { execFile } from 'node:child_process'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createBrotliDecompress } from 'node:zlib'
import { extract } from 'tar'

const require = createRequire(import.meta.url)

/** A browser's program and what its environment needs. */
export interface Program {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
}

/** Unpacks it where that was not done yet; undefined where it is not installed or does not run. */
export async function npmChromium(): Promise<Program | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  let root: string
  try {
    root = join(require.resolve('@sparticuz/chromium'), '../../..')
  } catch {
    return undefined
  }
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const folder = join(import.meta.dirname, 'node_modules/.cache', `chromium-${version}`)
  await unpackOnce(join(root, 'bin'), folder)
  const program = {
    path: join(folder, 'chromium'),
    // Before the system's: a small system has no NSS.
    env: { LD_LIBRARY_PATH: join(folder, 'lib'), FONTCONFIG_PATH: folder },
  }
  const starts = promisify(execFile)(program.path, ['--version'], { env: { ...process.env, ...program.env } })
  return starts.then(
    () => program,
    () => undefined,
  )
}

/** By way of a rename: of two processes that unpack at once, the later drops its copy. */
async function unpackOnce(from: string, folder: string): Promise<void> {
  if (existsSync(folder)) return
  await mkdir(dirname(folder), { recursive: true })
  const fresh = await mkdtemp(`${folder}.`)
  try {
    for (const name of ['al2023', 'fonts', 'swiftshader'])
      await extract({ file: join(from, `${name}.tar.br`), cwd: fresh, preserveOwner: false, strict: true })
    const program = createWriteStream(join(fresh, 'chromium'), { mode: 0o755 })
    await pipeline(createReadStream(join(from, 'chromium.br')), createBrotliDecompress(), program)
    await rename(fresh, folder)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
}
