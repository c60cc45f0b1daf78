import { preset } from '@jora-tooling/tsup'

export default preset({
  index: 'src/index.ts',
  api: 'src/api.ts',
  client: 'src/client.ts',
  'inspect-worker': 'src/datasets/inspect-worker.ts',
  'read-worker': 'src/documents/read-worker.ts',
  'playground-worker': 'src/playground/playground-worker.ts',
})
