// What routes work with: made once when the server starts.
import type { DocumentReader } from '../documents/read'
import type { Inspector } from '../datasets/inspect'
import type { Roots } from '../files/roots'
import type { Jobs } from '../jobs/jobs'
import type { LearnProjects } from '../learn/projects'
import type { DeviceList } from '../models/devices'
import type { Models } from '../models/models'
import type { Playground } from '../playground/playground'
import type { Commands } from '../process/command'
import type { MetricsFiles } from '../runs/metrics-file'
import type { RunManager } from '../runs/run-manager'
import type { Streams } from './streams'

/** A file that ships with the command. */
export interface BundledDataset {
  readonly path: string
  readonly name: string
}

export interface Services {
  readonly version: string
  readonly roots: Roots
  readonly runs: RunManager
  readonly metrics: MetricsFiles
  readonly jobs: Jobs
  readonly projects: LearnProjects
  readonly models: Models
  readonly devices: DeviceList
  readonly commands: Commands
  readonly inspector: Inspector
  readonly documents: DocumentReader
  readonly playground: Playground
  readonly streams: Streams
  readonly bundledDatasets: readonly BundledDataset[]
  readonly runsFolder: string
  readonly uploadsFolder: string
  readonly uploadLimitBytes: number
  readonly concurrency: number
  /** An empty folder that commands are started in. */
  readonly cwd: string
}
