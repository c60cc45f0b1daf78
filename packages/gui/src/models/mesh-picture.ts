// Which part of a model's weights each device of a mesh holds.
import { describeModel, modelAxis, modelSplits, weightShapes, weightSharding, type DecoderConfig } from '@jora/llama'
import { parseMesh, ShardingError, type Mesh, type PartitionSpec } from '@jora/shard'
import type { MeshPicture } from '../api'
import { badValue } from '../server/failure'

/** Bytes of a weight's number as it is most often stored; pictures compare, they do not measure. */
const defaultBytesEach = 2
const mostSplits = 16

type Part = MeshPicture['devices'][number]['parts'][number]

/** One weight of each kind: those of the first layer stand for all. */
function placeOf(name: string): { place: Part['place']; module: string } | undefined {
  const layer = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name)
  if (layer) return layer[1] === '0' ? { place: 'layer', module: layer[2]! } : undefined
  if (!name.endsWith('.weight')) return undefined
  return { place: name.startsWith('model.embed') ? 'before' : 'after', module: name.replace(/\.weight$/, '') }
}

/** The dimension that is split over the model axis; −1 for none. */
const splitOf = ({ dimensions }: PartitionSpec): number => dimensions.findIndex((axes) => axes.includes(modelAxis))

/** @throws Failure naming the field, for a mesh that is none or does not fit the model */
export async function meshPicture(
  folder: string,
  text: string,
  field = 'mesh',
  bytesEach = defaultBytesEach,
): Promise<MeshPicture> {
  const config = (await describeModel(folder, { local: true })).config
  try {
    return pictureOf(config, parseMesh(text), bytesEach)
  } catch (error) {
    if (error instanceof ShardingError) throw badValue(field, error.message)
    throw error
  }
}

function pictureOf(config: DecoderConfig, mesh: Mesh, bytesEach: number): MeshPicture {
  const specOf = weightSharding(config, mesh)
  const [data, model] = [mesh.along('data'), mesh.along(modelAxis)]
  const shapes = [...weightShapes(config)]
  const bytesOn = shapes.reduce((sum, [name, shape]) => {
    const isSplit = splitOf(specOf(name)) >= 0
    return sum + shape.reduce((n, size) => n * size, bytesEach) / (isSplit ? model : 1)
  }, 0)
  const partsOf = (at: number): Part[] =>
    shapes.flatMap(([name, shape]): Part[] => {
      const placed = placeOf(name)
      if (!placed) return []
      const dimension = splitOf(specOf(name))
      const of = shape[Math.max(0, dimension)] ?? 1
      const split = dimension < 0 || model === 1 ? 'none' : dimension === 0 ? 'rows' : 'columns'
      const [from, to] = split === 'none' ? [0, of] : [(of / model) * at, (of / model) * (at + 1)]
      return [{ ...placed, split, shape: [...shape], from, to, of }]
    })
  return {
    data,
    model,
    layers: config.layers,
    modelSplits: modelSplits(config, mostSplits),
    devices: Array.from({ length: mesh.size }, (_, index) => {
      const at = { data: mesh.coordinate(index, 'data'), model: mesh.coordinate(index, modelAxis) }
      return { index, at, weightBytes: Math.round(bytesOn), parts: partsOf(at.model) }
    }),
  }
}
