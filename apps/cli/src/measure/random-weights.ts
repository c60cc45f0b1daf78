// Weights of a shape, drawn on the device itself: 7B parameters never pass through the host.
import { weightShapes, type DecoderConfig, type Weights } from '@jora/llama'
import {
  cast,
  jit,
  mul,
  ones,
  randomKey,
  randomUniform,
  sub,
  type Device,
  type Jitted,
  type Tensor,
} from '@jora/tensor'

type Draw = Jitted<[key: Tensor], Tensor>

/** Uniform numbers with deviation 0.02, as models are initialised; norms are one. */
export async function randomWeights(config: DecoderConfig, dtype: 'f32' | 'f16', device: Device): Promise<Weights> {
  const draws = new Map<string, Draw>()
  const weights: Record<string, Tensor> = {}
  let index = 0
  for (const [name, shape] of weightShapes(config)) {
    const isNorm = shape.length === 1
    const known = draws.get(shape.join())
    const draw =
      known ??
      jit((key: Tensor) =>
        cast(isNorm ? ones(shape) : mul(sub(randomUniform(key, shape), 0.5), 0.02 * Math.sqrt(12)), dtype),
      )
    if (!known) draws.set(shape.join(), draw)
    const key = randomKey(1, index++)
    weights[name] = draw(key)
    key.dispose()
  }
  await device.synchronize()
  for (const draw of draws.values()) draw.dispose()
  return weights
}
