import { preset } from '@jora-tooling/tsup'

export default preset(
  {
    index: 'src/index.ts',
    graph: 'src/graph.ts',
    onnx: 'src/backend-onnx/index.ts',
    safetensors: 'src/safetensors/index.ts',
    'safetensors-portable': 'src/safetensors/portable.ts',
    webgpu: 'src/backend-webgpu/index.ts',
    'webgpu-portable': 'src/backend-webgpu/portable.ts',
  },
  { copy: ['src/backend-onnx/worker.mjs', 'src/backend-onnx/draw.mjs'] },
)
