// The runtime that the CPU device needs: an optional peer, so that installing a package of ours never weighs 300 MB.
import { createRequire } from 'node:module'

/** The version that the suite runs with. */
const runtime = 'onnxruntime-node@1.30.0'

/**
 * @param resolve finds a package by name, and throws when it is not there; for tests
 * @throws Error that says what to install when `onnxruntime-node` is missing
 */
export function requireRuntime(resolve: (name: string) => string = createRequire(import.meta.url).resolve): void {
  try {
    resolve('onnxruntime-node')
  } catch (cause) {
    // Its install script downloads CUDA libraries, which a CPU device never loads.
    throw new Error(
      `The CPU device needs ONNX Runtime, which is not installed: npm install --ignore-scripts ${runtime} ` +
        '(--ignore-scripts leaves out a download of CUDA libraries)',
      { cause },
    )
  }
}
