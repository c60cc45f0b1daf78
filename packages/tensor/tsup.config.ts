import { readdirSync } from 'node:fs'
import { preset } from '@jora-tooling/tsup'

export default preset(
  {
    index: 'src/index.ts',
    files: 'src/files/index.ts',
    graph: 'src/graph.ts',
    onnx: 'src/backend-onnx/index.ts',
    safetensors: 'src/weights/safetensors/index.ts',
    'safetensors-portable': 'src/weights/safetensors/portable.ts',
    weights: 'src/weights/index.ts',
    'weights-portable': 'src/weights/portable.ts',
    webgpu: 'src/backend-webgpu/index.ts',
    'webgpu-portable': 'src/backend-webgpu/portable.ts',
  },
  // The CPU device's thread, and what it imports.
  {
    copy: readdirSync('src/backend-onnx').flatMap((name) =>
      name.endsWith('.mjs') ? [`src/backend-onnx/${name}`] : [],
    ),
  },
)
