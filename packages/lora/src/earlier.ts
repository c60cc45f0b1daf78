// Calls of earlier versions, each a part of what openModel gives; they go after the next release.
import { openModel, resolveModel, type ResolvedModel, type ResolveOptions } from '@jora/llama'

/**
 * The model's folder, downloaded on first use when it is a Hub id.
 * @deprecated use `resolveModel` of `@jora/llama`, or `openModel`, which has it as `ref`
 */
export const modelFolder = (modelPath: string, options?: ResolveOptions): Promise<ResolvedModel> =>
  resolveModel(modelPath, options)

/**
 * What distinguishes the model in `folder` from others.
 * @deprecated use `openModel(folder)` of `@jora/llama` and its `digest()`
 */
export async function hashModel(folder: string): Promise<string> {
  await using model = await openModel(folder, { local: true })
  return await model.digest() // awaited before the files close
}
