import { preset } from '@jora-tooling/tsup'

export default preset({ index: 'src/index.ts', mpi: 'src/mpi/index.ts', open: 'src/open/index.ts' })
