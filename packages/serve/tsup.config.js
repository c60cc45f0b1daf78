import { preset } from '@jora-tooling/tsup'
export default preset({ index: 'src/index.ts' })
