// Files that a program holds open, for the worker to read weights from.
import type { DeviceBuffer, FileRange } from '../../backend/backend'
import { SharedFile } from '../../files/shared-file'
import type { Source } from '../parts'
import type { HeldFile } from './unpacked'

export class HeldFiles {
  readonly #files = new Map<string, SharedFile>()

  #held({ path, offset, length }: FileRange): HeldFile {
    const file = this.#files.get(path) ?? SharedFile.open(path)
    this.#files.set(path, file)
    return { path, descriptor: file.descriptor, offset, length }
  }

  /** `from` as the worker knows it. @param idOf the id of a buffer that the worker is given */
  sourceOf(from: Source, idOf: (buffer: DeviceBuffer) => number): Source<number, HeldFile> {
    if ('stored' in from) return { stored: { ...from.stored, file: this.#held(from.stored.file) } }
    if (!('weight' in from)) return from
    const { weight } = from
    if ('file' in weight) return { weight: { ...weight, file: this.#held(weight.file) } }
    return { weight: { ...weight, parts: weight.parts.map(idOf) } }
  }

  close(): void {
    for (const file of this.#files.values()) file.close()
    this.#files.clear()
  }
}
