// The models that are served, by the name that requests give.
import type { Answerer } from '@jora/data'
import { ServeError } from './error'

/** A model by the name that requests give as `model`. */
export interface ServedModel {
  readonly name: string
  readonly answerer: Answerer
}

export class Models {
  readonly #byName: ReadonlyMap<string, ServedModel>
  readonly #first: ServedModel
  readonly #created = Math.floor(Date.now() / 1000)

  /** @throws RangeError for none, or two of one name */
  constructor(models: readonly ServedModel[]) {
    const [first] = models
    if (!first) throw new RangeError('there is no model to serve')
    this.#first = first
    this.#byName = new Map(models.map((model) => [model.name, model]))
    if (this.#byName.size < models.length)
      throw new RangeError(`two models have the same name: ${models.map(({ name }) => name).join(', ')}`)
  }

  /** The model of this name; the first where none is named. @throws ServeError for a name that is not served */
  get(name: string | undefined): ServedModel {
    const model = name === undefined ? this.#first : this.#byName.get(name)
    if (model) return model
    const known = [...this.#byName.keys()].join(', ')
    const message = `there is no model ${JSON.stringify(name)}; this server has ${known}`
    throw new ServeError(404, message, { param: 'model', code: 'model_not_found' })
  }

  /** As `GET /v1/models` gives it. */
  describe(name: string) {
    return { id: this.get(name).name, object: 'model', created: this.#created, owned_by: 'jora' } as const
  }

  get names(): string[] {
    return [...this.#byName.keys()]
  }
}
