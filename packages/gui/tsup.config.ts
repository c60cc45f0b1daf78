import { preset } from '@jora-tooling/tsup'

export default preset({ index: 'src/index.ts', api: 'src/api.ts', client: 'src/client.ts' })
