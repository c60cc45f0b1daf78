// Prints what WebGPU says about the adapter it finds: name, features, limits, matrix units. Fails if there is none.
import { create, globals } from 'webgpu'

Object.assign(globalThis, globals)
const gpu = create(['enable-dawn-features=allow_unsafe_apis'])
const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
if (!adapter) throw new Error('no WebGPU adapter')
const { info } = adapter
const fields = /** @type {(from: object) => Record<string, unknown>} */ (
  (from) => {
    /** @type {Record<string, unknown>} */
    const all = {}
    for (const key in from) {
      const value = /** @type {Record<string, unknown>} */ (from)[key]
      if (typeof value !== 'function') all[key] = value
    }
    return all
  }
)
console.log(
  JSON.stringify(
    { info: fields(info), features: [...adapter.features].sort(), limits: fields(adapter.limits) },
    null,
    2,
  ),
)
