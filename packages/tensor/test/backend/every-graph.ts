// Programs that between them need every kernel of the WebGPU backend, for tests that look at shaders.
import * as j from '../../src/index'
import type { Tensor } from '../../src/index'
import { cases } from './cases'
import { asList, hostInputs, toTensors } from './compare'
import { products } from './half-products'

/** The programs to look at: every case and its gradients, products in f16, attention of every head size. */
export function everyGraph(): j.Graph[] {
  const out: j.Graph[] = []
  for (const c of cases) {
    const inputs = toTensors(c, hostInputs(c))
    const floats = c.inputs.flatMap((spec, i) => (spec.dtype === 'f32' && !spec.frozen ? [i] : []))
    const loss = (chosen: Tensor[]) => {
      const merged = inputs.slice()
      floats.forEach((i, slot) => (merged[i] = chosen[slot]!))
      return j.sum(j.cast(asList(c.fn(...merged))[0]!, 'f32'))
    }
    const fn = c.smooth ? j.valueAndGrad(loss) : loss
    out.push(j.makeGraph(fn as (xs: Tensor[]) => Tensor)(floats.map((i) => inputs[i]!)))
  }
  const zeros = (...shape: number[]) => j.tensor(new Float32Array(j.sizeOf(shape)), { shape })
  for (const headDim of [16, 64, 80, 128, 256]) {
    const [q, k] = [zeros(1, 4, 96, headDim), zeros(1, 2, 96, headDim)]
    const attend = j.valueAndGrad((xs: Tensor[]) => j.sum(j.attention(xs[0]!, xs[1]!, xs[2]!)))
    out.push(j.makeGraph(attend)([q, k, k]))
  }
  for (const { a, b, ...turned } of [...products, { a: [2048, 512], b: [2048, 512], transposeB: true }])
    out.push(
      j.makeGraph((l: Tensor, r: Tensor) => j.dot(j.cast(l, 'f16'), j.cast(r, 'f16'), turned))(
        zeros(...a),
        zeros(...b),
      ),
    )
  return out
}
