// Where a long piece of work keeps what is done until its file is whole: a hidden folder beside that file.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { KeptDocuments } from '../documents/read-documents'
import type { Kept, KeptIndexParts } from './kept'
import { KeptFile } from './kept-file'
import { KeptIndex } from './kept-index'

const keyFile = 'key'

/** What is done of the work on a file: kept by stages, for the next call that is to make the same. */
export class WorkFolder {
  readonly #path: string
  readonly #stages: (KeptFile<unknown> | KeptIndex)[] = []
  /** Whether an earlier call left work, and whether it was on the same. Other work is thrown away. */
  readonly found: 'nothing' | 'same' | 'other'

  private constructor(path: string, found: WorkFolder['found']) {
    ;[this.#path, this.found] = [path, found]
  }

  /**
   * Opens the work on a file.
   * @param output the file that the work is to make
   * @param key what it is made from and how, as one text
   * @throws Node's error when the folder cannot be written
   */
  static async open(output: string, key: string): Promise<WorkFolder> {
    const target = resolve(output)
    const path = join(dirname(target), `.${basename(target)}.work`)
    const earlier = await readFile(join(path, keyFile), 'utf8').catch(() => undefined)
    if (earlier === key) return new WorkFolder(path, 'same')
    await rm(path, { recursive: true, force: true })
    await mkdir(path, { recursive: true })
    await writeFile(join(path, keyFile), key)
    return new WorkFolder(path, earlier === undefined ? 'nothing' : 'other')
  }

  /** The results of a stage. @throws Node's error when its file cannot be opened */
  stage<T>(name: string): Kept<T> {
    const file = new KeptFile<T>(join(this.#path, `${name}.jsonl`))
    this.#stages.push(file as KeptFile<unknown>)
    return file
  }

  /** Documents as they are read. {@link KeptDocuments.clear} forgets all stages. @throws Node's error when a file cannot be opened */
  documents(): KeptDocuments {
    return { files: this.stage('files'), documents: this.stage('documents'), clear: () => this.#clear() }
  }

  /** The parts of a stage's index of words, and the index itself. */
  index(name: string): KeptIndexParts {
    const index = new KeptIndex(join(this.#path, name))
    this.#stages.push(index)
    return index
  }

  #clear(): void {
    for (const stage of this.#stages) stage.clear()
  }

  /** Leaves what is done to the next call. */
  close(): void {
    for (const stage of this.#stages.splice(0)) stage.close()
  }

  /** Takes the folder away: its file is whole, or nobody will go on. */
  async remove(): Promise<void> {
    this.close()
    await rm(this.#path, { recursive: true, force: true })
  }
}
