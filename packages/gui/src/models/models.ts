// The models there are: the bundled one, folders under the roots, and what the Hub's cache holds.
import { readdir } from 'node:fs/promises'
import { isAbsolute, join, relative } from 'node:path'
import { hubClient, HubError, openModel, resolveModel } from '@jora/llama'
import type { ModelInfo } from '../api'
import type { Roots } from '../files/roots'
import { badValue, Failure } from '../server/failure'
import { isGguf, modelInfo } from './model-info'

/** What distinguishes the model in `folder` from others. */
async function digestOf(folder: string): Promise<string> {
  await using model = await openModel(folder, { local: true })
  return await model.digest() // awaited before the files close
}

export class Models {
  constructor(
    readonly roots: Roots,
    /** Folder of the model that ships with the command. */
    readonly bundled: string | undefined,
    /** Folders with a config.json, as last found. */
    readonly folders: () => readonly string[],
  ) {}

  async list(): Promise<ModelInfo[]> {
    const { bundled } = this
    const places = this.folders().map((path) => ({
      ref: path,
      name: this.#nameOf(path),
      source: 'folder' as const,
      path,
    }))
    const found = await Promise.all([
      ...(bundled === undefined ? [] : [modelInfo({ ref: bundled, source: 'bundled', path: bundled })]),
      ...places.filter(({ path }) => path !== bundled).map(modelInfo),
      ...(await this.cached()).map((id) => this.#fromCache(id)),
    ])
    return found.filter((info) => info !== undefined)
  }

  /** @throws Failure when there is no such model here */
  async get(ref: string): Promise<ModelInfo> {
    const path = await this.folderOf(ref)
    const source = path === this.bundled ? 'bundled' : isAbsolute(ref) ? 'folder' : 'cache'
    const info = await modelInfo({ ref: source === 'cache' ? ref : path, source, path })
    if (!info) throw badValue('model', `${ref} is not a model: it has no config.json with a model_type.`)
    return info
  }

  /**
   * The folder, or the GGUF file, of a model that is on this machine.
   * @param field the form field it came in
   * @throws Failure when it is outside the roots, or not in the cache
   */
  async folderOf(ref: string, field = 'model'): Promise<string> {
    if (isAbsolute(ref)) return isGguf(ref) ? await this.roots.file(ref, field) : await this.roots.folder(ref, field)
    const isId = hubClient.isModelId(ref) || hubClient.ggufNameOf(ref) !== undefined
    if (!isId || hubClient.isPath(ref))
      throw badValue(
        field,
        `${JSON.stringify(ref)} is neither the absolute path of a folder or GGUF file nor a Hub id (USER/NAME, USER/NAME:Q4_K_M).`,
      )
    try {
      const { dir, files } = await resolveModel(ref, { offline: true })
      return isGguf(files[0] ?? '') ? join(dir, files[0]!) : dir
    } catch (error) {
      if (!(error instanceof HubError)) throw error
      const message = `${ref} is not on this machine yet: download it first.`
      throw new Failure('not_found', message, [{ path: field, message }])
    }
  }

  /** A folder that holds the model of this hash, as run.json has it. */
  async folderWith(hash: string | undefined): Promise<string | undefined> {
    if (hash === undefined) return undefined
    for (const folder of [...(this.bundled === undefined ? [] : [this.bundled]), ...this.folders()])
      if ((await digestOf(folder).catch(() => undefined)) === hash) return folder
    return undefined
  }

  /** Hub ids whose files the cache holds. */
  async cached(): Promise<string[]> {
    const { cacheDir } = await hubClient.hubSettings('the cache', {})
    const names = await readdir(cacheDir).catch(() => [] as string[])
    return names
      .filter((name) => name.startsWith('models--'))
      .map((name) => name.slice('models--'.length).replaceAll('--', '/'))
      .filter((id) => hubClient.isModelId(id))
  }

  async #fromCache(id: string): Promise<ModelInfo | undefined> {
    const found = await resolveModel(id, { offline: true }).catch(() => undefined)
    return found && (await modelInfo({ ref: id, name: id, source: 'cache', path: found.dir }))
  }

  /** As seen from the root it is in. */
  #nameOf(path: string): string {
    const root = this.roots.roots.find(({ path: folder }) => path.startsWith(folder))
    return root === undefined ? path : join(root.name, relative(root.path, path))
  }
}
