// The order of test files: those that take longest begin, so that no worker is left alone with one at the end.
import { BaseSequencer } from 'vitest/node'

/** By what was measured on two cores with nothing compiled before; the others come after, as vitest has them. */
const slow = [
  'packages/tensor/test/backend/conformance.test.ts',
  'apps/cli/test/quickstart.test.ts',
  'packages/lora/src/train/mesh-training.test.ts',
  'packages/tensor/test/backend/matrix-units.test.ts',
  'apps/web/test/page.test.ts',
  'packages/lora/test/quantised.test.ts',
  'apps/cli/test/mpi.test.ts',
  'packages/lora/test/webgpu.test.ts',
  'packages/lora/src/train/step/training.test.ts',
  'packages/lora/test/families.test.ts',
  'apps/web/test/whole.test.ts',
  'tooling/scripts/pack-test.test.ts',
  'packages/lora/src/train/context-trees.test.ts',
  'apps/cli/test/bench.test.ts',
  'packages/llama/src/gguf/real-files.test.ts',
  'packages/shard/test/mpi/transport.test.ts',
  'apps/cli/test/interrupt.test.ts',
  'packages/hf-export/src/gguf/llama-cpp.test.ts',
  'examples/examples.test.ts',
  'packages/lora/test/failures.test.ts',
  'apps/web/test/learn.test.ts',
  'apps/web/test/whole-learn.test.ts',
  'apps/cli/test/model/one-prompt.test.ts',
  'packages/gui/test/real-run.test.ts',
  'tooling/browser/training.test.ts',
  'packages/hf-export/test/large-merge.test.ts',
  'packages/tensor/test/adding-an-op.test.ts',
  'apps/cli/test/mesh.test.ts',
  'packages/shard/test/properties.test.ts',
  'packages/tensor/test/backend/half.test.ts',
  'packages/lora/test/optimizers.test.ts',
  'apps/cli/test/model/model-files.test.ts',
  'packages/gui/test/runs.test.ts',
  'packages/gui/test/moments.test.ts',
]

const place = (/** @type {string} */ file) => {
  const found = slow.findIndex((name) => file.replaceAll('\\', '/').endsWith(name))
  return found < 0 ? slow.length : found
}

export default class SlowFirst extends BaseSequencer {
  /** @override @param {import('vitest/node').TestSpecification[]} files */
  async sort(files) {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => place(a.moduleId) - place(b.moduleId))
  }
}
