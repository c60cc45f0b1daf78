// Points WebGPU at a Vulkan driver that runs on the CPU, so that a test meets the same device on every Linux machine.
import { lavapipe } from './lavapipe.mjs'
import { swiftshader } from './swiftshader.mjs'

/**
 * Which driver, and the ICD file that names it to the Vulkan loader.
 * @typedef {{ source: 'system' | 'swiftshader', icd: string }} SoftwareVulkan
 */

/** What JORA_TEST_GPU may say; without it the first software driver that is there is taken. */
const choices = ['hardware', 'system', 'swiftshader']

/**
 * Call it before `create()` of the npm package `webgpu`, which reads the environment anew each time. From then on this
 * process sees the software driver alone, never the machine's own GPU: without a software driver it sees no adapter.
 *
 * Undefined, and nothing changed, with JORA_TEST_GPU=hardware and outside Linux: there the adapter is the platform's.
 *
 * @returns {Promise<SoftwareVulkan | undefined>}
 */
export async function softwareVulkan() {
  const choice = process.env.JORA_TEST_GPU
  if (choice && !choices.includes(choice))
    throw new Error(`JORA_TEST_GPU: ${choices.join(', ')} expected, got ${choice}`)
  if (choice === 'hardware' || process.platform !== 'linux') return undefined

  const found =
    (choice === 'swiftshader' ? undefined : lavapipe()) ?? (choice === 'system' ? undefined : await swiftshader())
  // Older loaders know only the second name; newer ones prefer the first.
  process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = found?.icd ?? '/no-software-vulkan.json'
  // lavapipe compiles kernels for narrower vectors in about half the time, and tests compile more than they run.
  if (found?.source === 'system') process.env.LP_NATIVE_VECTOR_WIDTH ??= '128'
  return found
}
