// Opens a sentence encoder: a folder or Hub id of a BERT with safetensors, as sentence-transformers lays it out.
import { join } from 'node:path'
import { parseTokenizer, tokenizerFileNames, type Tokenizer, type TokenizerFiles } from '@jora/data'
import { disposeTree, tensorFromFile, type Device, type Tensor } from '@jora/tensor'
import { fromSafetensorsDType, openSafetensors, type SafetensorsFile } from '@jora/tensor/safetensors'
import { parseModelJson } from '../config/config'
import { ModelError } from '../config/reader'
import { resolveModel, type ResolveOptions } from '../hub'
import { weightFiles } from '../open/checkpoint'
import { digestOf } from '../open/digest'
import { readTexts } from '../open/model-texts'
import { parseEncoderConfig, sentenceFiles } from './config'
import { Embedder } from './embedder'
import { encoderShapes } from './model'

/**
 * Opens the encoder in a folder, or of a Hub id (`org/name`), on `device`.
 *
 * @throws ModelError | HubError naming the file and the key or tensor at fault
 */
export async function openEmbedder(name: string, device: Device, options: ResolveOptions = {}): Promise<Embedder> {
  const { dir, files } = await resolveModel(name, options)
  const texts = await readTexts(dir, [...tokenizerFileNames, ...sentenceFiles])
  const json = [...texts].filter(
    ([file]) => file === 'config.json' || (sentenceFiles as readonly string[]).includes(file),
  )
  const config = parseEncoderConfig(
    new Map(json.map(([file, text]) => [file, parseModelJson(text, join(dir, file))])),
    dir,
  )
  const tokenizer = parseTokenizer(Object.fromEntries(texts) as TokenizerFiles, dir)
  const [cls, sep] = ['[CLS]', '[SEP]'].map((token) => idOf(tokenizer, token))
  const shapes = encoderShapes(config)
  const weights: Record<string, Tensor> = {}
  const opened: SafetensorsFile[] = []
  try {
    for (const path of await weightFiles(dir, files)) opened.push(await openSafetensors(path))
    for (const file of opened) {
      for (const [stored, { shape, dtype }] of file.tensors) {
        const weight = stored.replace(/^bert\./, '')
        const expected = shapes.get(weight)
        if (!expected) continue
        const type = fromSafetensorsDType(dtype)
        if (shape.join() !== expected.join() || (type !== 'f32' && type !== 'f16' && type !== 'bf16'))
          throw new ModelError(
            `${file.path}: ${stored} is ${dtype} [${shape.join(', ')}]; expected F32, F16 or BF16 [${expected.join(', ')}]`,
          )
        weights[weight] = tensorFromFile(file.range(stored), { shape, dtype: type }, { device, label: weight })
      }
    }
    for (const weight of shapes.keys()) if (!weights[weight]) throw new ModelError(`${dir} has no weight ${weight}`)
    const digest = await digestOf(JSON.stringify(config), opened)
    return new Embedder({ config, weights }, { tokenizer, cls: cls!, sep: sep! }, device, digest)
  } catch (error) {
    disposeTree(weights)
    throw error
  } finally {
    for (const file of opened) await file.close()
  }
}

function idOf(tokenizer: Tokenizer, token: string): number {
  const ids = tokenizer.encode(token, { addBos: false })
  if (ids.length !== 1) throw new ModelError(`tokenizer ${tokenizer.name} has no ${token}, which a BERT needs`)
  return ids[0]!
}
