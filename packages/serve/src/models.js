import { ServeError } from './error'
export class Models {
  #byName
  #first
  #created = Math.floor(Date.now() / 1000)
  /** @throws RangeError for none, or two of one name */
  constructor(models) {
    const [first] = models
    if (!first) throw new RangeError('there is no model to serve')
    this.#first = first
    this.#byName = new Map(models.map((model) => [model.name, model]))
    if (this.#byName.size < models.length)
      throw new RangeError(`two models have the same name: ${models.map(({ name }) => name).join(', ')}`)
  }
  /** The model of this name; the first where none is named. @throws ServeError for a name that is not served */
  get(name) {
    const model = name === undefined ? this.#first : this.#byName.get(name)
    if (model) return model
    const known = [...this.#byName.keys()].join(', ')
    const message = `there is no model ${JSON.stringify(name)}; this server has ${known}`
    throw new ServeError(404, message, { param: 'model', code: 'model_not_found' })
  }
  /** As `GET /v1/models` gives it. */
  describe(name) {
    return { id: this.get(name).name, object: 'model', created: this.#created, owned_by: 'jora' }
  }
  get names() {
    return [...this.#byName.keys()]
  }
}
