import { preset } from '@jora-tooling/tsup'

export default preset({ main: 'src/main.ts' }, { dts: false })
