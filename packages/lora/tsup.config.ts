import { preset } from '@jora-tooling/tsup'

export default preset({ index: 'src/index.ts', portable: 'src/portable.ts', settings: 'src/settings/index.ts' })
