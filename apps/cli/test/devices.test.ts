// Where commands compute: --device, --gpu and --device-memory, jora devices, and what is said where there is no GPU.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { setDefaultDevice } from '@jora/tensor'
import { listAdapters } from '@jora/tensor/webgpu'
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { isBuilt, jora, modelSource, spawnJora, workspace } from './harness'

await softwareVulkan()
const hardware = process.env.JORA_TEST_GPU === 'hardware'
const [adapter] = await listAdapters()

const space = workspace()
const { path } = space
afterAll(() => space.remove())
afterEach(() => {
  setDefaultDevice(undefined)
  vi.unstubAllEnvs()
})

const generate = (...more: string[]) =>
  jora(['generate', '--model', path('model'), '--prompt', 'x', '--max-new-tokens', '2', ...more])
const trainArgv = (out: string, ...more: string[]) => [
  ...`train --max-steps 1 --batch-size 4 --gradient-accumulation-steps 1 --lora-r 2 --split 1`.split(' '),
  '--model',
  path('model'),
  '--dataset',
  path('rows.json'),
  '--output-dir',
  path(out),
  ...more,
]
const noDriver = () => {
  for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) vi.stubEnv(name, '/nowhere.json')
}

describe('jora devices', () => {
  test('--json is one document: the CPU first, and which one auto takes', async () => {
    const { code, out, err } = await jora(['devices', '--json'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const { devices, default: kind } = JSON.parse(out) as {
      devices: { kind: string; name: string; auto: boolean }[]
      default: string
    }
    expect(devices[0]).toMatchObject({ kind: 'cpu', cores: expect.any(Number) as number })
    expect(devices.filter(({ auto }) => auto)).toEqual([expect.objectContaining({ kind })])
    if (!hardware) expect(kind).toBe('cpu')
  })

  test.skipIf(!adapter)('shows what an adapter can do (needs a WebGPU adapter)', async () => {
    const { out } = await jora(['devices'])
    expect(out).toMatch(/^cpu {5}\S.* cores?, .* memory/)
    expect(out).toContain(`webgpu  ${adapter!.name}`)
    for (const what of ['16-bit floats', 'matrix units', 'subgroup', 'largest buffer', 'workgroup memory'])
      expect(out).toMatch(new RegExp(`^ {8}${what} +\\S`, 'm'))
    const json = JSON.parse((await jora(['devices', '--json'])).out) as { devices: object[] }
    const { f16, subgroupSize } = adapter!.profile
    const { software, limits, features } = adapter!
    expect(json.devices[1]).toMatchObject({ name: adapter!.name, software, f16, subgroupSize, limits, features })
  })

  test.skipIf(hardware)('says so when there is no adapter', async () => {
    noDriver()
    const { code, out } = await jora(['devices'])
    expect(code).toBe(0)
    expect(out).toMatch(/← --device auto\nwebgpu {2}no adapter: no GPU, or no Vulkan/)
  })
})

describe('refused with 2', () => {
  test.each([
    [['--device', 'cpu', '--gpu', 'x'], '--gpu goes with --device auto or webgpu, not with cpu'],
    [['--device', 'cpu', '--device-memory', '1GB'], '--device-memory goes with --device auto or webgpu, not with cpu'],
  ])('%j', async (argv, message) => {
    expect(await generate(...argv)).toEqual({ code: 2, out: '', err: `error: ${message}\n` })
  })

  test('--dtype f16 on the CPU', async () => {
    const { code, err } = await generate('--device', 'cpu', '--dtype', 'f16')
    expect(code).toBe(2)
    expect(err).toMatch(/^error: --dtype f16: .* cannot compute in it; use f32, or a GPU with shader-f16\n$/)
  })

  test.skipIf(!modelSource || hardware)('--device webgpu without an adapter', async () => {
    noDriver()
    const err = 'error: WebGPU: no adapter was found; a GPU with a Vulkan, Metal or Direct3D 12 driver is needed\n'
    expect(await generate('--device', 'webgpu')).toEqual({ code: 2, out: '', err })
  })

  test.skipIf(!modelSource || !adapter)(
    'a GPU that is not there, with those that are (needs a WebGPU adapter)',
    async () => {
      const { code, err } = await generate('--gpu', 'Voodoo')
      expect(code).toBe(2)
      expect(err).toContain(`error: WebGPU: no adapter is called “Voodoo”; there is ${adapter!.name}`)
    },
  )
})

describe.skipIf(!modelSource || !adapter)('--device webgpu (needs a WebGPU adapter)', () => {
  test('out of memory: the tensor and the sizes, before anything is written', async () => {
    const { code, err } = await jora(trainArgv('small', '--device', 'webgpu', '--device-memory', '200 kB'))
    expect(code).toBe(1)
    expect(err).toMatch(/error: webgpu: weight model\.\S+ takes .* MB, but .* of the 0\.20 MB allowed on .* in use/)
    const lines = readFileSync(path('small', 'metrics.jsonl'), 'utf8').trim().split('\n')
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      { type: 'error', message: expect.stringContaining('MB allowed on') as string },
    ])
  })
})

describe.skipIf(!modelSource || !isBuilt || hardware)('the built command (needs npm run build)', () => {
  /** Runs `jora` where the npm package webgpu cannot be loaded. */
  const withoutPackage = async (argv: string[]) => {
    const hook = `export const resolve = (name, context, next) => {
      if (/\\bwebgpu(?:$|\\/index\\.js)/.test(name) && !name.startsWith('@jora/')) throw new Error('no such package')
      return next(name, context)
    }`
    const url = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`
    const register = `import { register } from 'node:module'; register(${JSON.stringify(url(hook))})`
    vi.stubEnv('NODE_OPTIONS', `--import=${url(register)}`)
    return spawnJora(argv, space.dir).ended
  }

  test('--device cpu does not ask for WebGPU', async () => {
    const { code, err } = await withoutPackage(trainArgv('cpu', '--device', 'cpu'))
    expect({ code, err }).toMatchObject({ code: 0 })
    expect(err).not.toContain('webgpu')
    expect(JSON.parse(readFileSync(path('cpu', 'run.json'), 'utf8'))).toMatchObject({ deviceKind: 'cpu' })
  })

  test('--device auto goes on without the package, and says so in one line', async () => {
    const { code, err } = await withoutPackage(trainArgv('auto'))
    expect({ code, err }).toMatchObject({ code: 0 })
    expect(err.split('\n').filter((line) => line.includes('webgpu'))).toEqual([
      'note: computing on the CPU: WebGPU: the npm package webgpu cannot be loaded (npm install webgpu@0.6.2 installs it): no such package',
    ])
  })

  test('--device webgpu fails without it', async () => {
    expect(await withoutPackage(trainArgv('gpu', '--device', 'webgpu'))).toMatchObject({
      code: 2,
      err: 'error: WebGPU: the npm package webgpu cannot be loaded (npm install webgpu@0.6.2 installs it): no such package\n',
    })
  })

  test('--device auto where there is no driver is silent', async () => {
    noDriver()
    const { code, err } = await spawnJora(trainArgv('none'), space.dir).ended
    expect({ code, err }).toMatchObject({ code: 0 })
    expect(err).not.toMatch(/vulkan|webgpu|note|warning/i)
  })
})
