// What adapters there are, asked in a process of its own: Dawn, a large library, stays out of this one, and so does what it
// and Vulkan's loader write to stderr about drivers.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describeAdapter, type AdapterDescription, type AdapterFacts } from './device/adapters'

/** The error of an npm package that is missing, or whose library is. */
export const cannotLoad = ({ message }: Error): Error =>
  new Error(
    `WebGPU: the npm package webgpu cannot be loaded (npm install webgpu@0.6.2 installs it): ${message.split('\n')[0]}`,
  )

/** No product is called so: Dawn then says which adapters there are. */
export const noName = '\u0001'

const nameLine = String.raw`^ \* backend: '.*', name: '(.*)'$`

/** Names in the error that Dawn answers `noName` with, the preferred one first. */
export const namesIn = (error: string): string[] =>
  [...error.matchAll(new RegExp(nameLine, 'gm'))].map(([, name]) => name!)

/** Dawn's instances see features behind this one. */
export const dawnOptions = ['enable-dawn-features=allow_unsafe_apis']

/** Exit code of the probe where there is no GPU. */
const none = 10

const gpuScript = (webgpu: string): string => `
  const { create } = await import(${JSON.stringify(webgpu)})
  const adapter = await create([]).requestAdapter({ powerPreference: 'high-performance' })
  process.exit(adapter && !adapter.info.isFallbackAdapter ? 0 : ${none})`

const listScript = (webgpu: string): string => `
  const { create } = await import(${JSON.stringify(webgpu)})
  const instances = []
  const ask = (name) => {
    const gpu = create([...${JSON.stringify(dawnOptions)}, 'adapter=' + name])
    instances.push(gpu)
    return gpu.requestAdapter({ powerPreference: 'high-performance' })
  }
  const told = await ask(${JSON.stringify(noName)}).then(() => '', String)
  const copy = (from) => {
    const to = {}
    for (const key in from) if (typeof from[key] !== 'function') to[key] = from[key]
    return to
  }
  const adapters = []
  for (const [, name] of told.matchAll(new RegExp(${JSON.stringify(nameLine)}, 'gm'))) {
    const adapter = await ask(name).catch(() => null)
    if (!adapter) continue
    const { info } = adapter
    const configs = [...(info.subgroupMatrixConfigs ?? [])].map(copy)
    const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize, isFallbackAdapter } = info
    const plain = { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize, isFallbackAdapter }
    const features = [...adapter.features]
    adapters.push({ name, info: { ...plain, subgroupMatrixConfigs: configs }, features, limits: copy(adapter.limits) })
  }
  process.stdout.write(JSON.stringify(adapters), () => process.exit(0))`

/** @throws Error of the process, with its exit code and stderr */
async function run(script: (webgpu: string) => string): Promise<string> {
  const url = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href
  const args = ['--input-type=module', '-e', script(url)]
  return (await promisify(execFile)(process.execPath, args, { timeout: 30_000 })).stdout
}

/** What went wrong in the process, as an error of loading the package. */
function loadError(error: unknown): Error {
  const { stderr = '' } = error as { stderr?: string }
  const line = /^\w*Error[^:\n]*: (.*)$/m.exec(stderr)?.[1]
  return cannotLoad(line === undefined ? (error as Error) : new Error(line))
}

/**
 * Whether the adapter that the platform prefers is a GPU and no software.
 * @throws Error when the npm package webgpu cannot be loaded
 */
export async function hasGpu(): Promise<boolean> {
  try {
    await run(gpuScript)
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === none) return false
    throw loadError(error)
  }
}

/**
 * Every adapter, the preferred one first. Nothing is opened.
 * @throws Error when the npm package webgpu cannot be loaded
 */
export async function listAdapters(): Promise<AdapterDescription[]> {
  const told = await run(listScript).catch((error: unknown) => {
    throw loadError(error)
  })
  const found = JSON.parse(told) as (AdapterFacts & { readonly name: string; readonly features: string[] })[]
  return found.map(({ name, info, features, limits }) =>
    describeAdapter({ info, limits, features: new Set(features) }, name),
  )
}
