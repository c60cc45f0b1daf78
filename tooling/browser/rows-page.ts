// The page of rows.test.ts.
import { prepare, type Outcome } from './rows'

export const run = (): Promise<Outcome> =>
  prepare(async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer()))
