import { preset } from '@jora-tooling/tsup'
import { cp } from 'node:fs/promises'

export default {
  ...preset({ main: 'src/main.ts' }, { dts: false }),
  // The page, which turbo has built before, is served by `jora gui` from beside the command.
  onSuccess: () => cp('../web/dist', 'dist/web', { recursive: true }),
}
