// What models can run on here: `jora devices --json`, remembered for a while.
import { devicesSchema, type Devices } from '../api'
import type { Commands } from '../process/command'

const freshMs = 60_000

export class DeviceList {
  #found: Promise<Devices> | undefined
  #at = 0

  constructor(
    readonly commands: Commands,
    readonly cwd: string,
  ) {}

  get(): Promise<Devices> {
    if (this.#found && Date.now() - this.#at < freshMs) return this.#found
    this.#at = Date.now()
    this.#found = this.commands.json(['devices'], devicesSchema, { cwd: this.cwd, timeoutMs: 60_000 })
    this.#found.catch(() => (this.#found = undefined))
    return this.#found
  }
}
