// The base model of a run, for what is done with its adapter: where it was, or where it is now.
import { isAbsolute } from 'node:path'
import type { Models } from '../models/models'
import type { ManagedRun } from '../runs/managed-run'
import { Failure } from './failure'

/**
 * The folder of the model a run was trained on. Where that was moved, as the bundled one is with its clone, the same model
 * by its hash.
 * @throws Failure when it is gone, or outside the roots
 */
export async function modelDirOf(run: ManagedRun, models: Models): Promise<string> {
  await run.refresh()
  const ref = run.record?.settings?.model ?? run.json?.model?.folder ?? run.json?.settings?.modelPath
  if (ref === undefined || ref === null)
    throw new Failure('conflict', 'Which model this run trains is known once it has begun.')
  try {
    return await models.folderOf(ref, 'model')
  } catch (error) {
    const same = await models.folderWith(run.json?.model?.hash)
    if (same !== undefined) return same
    if (!(error instanceof Failure) || !isAbsolute(ref)) throw error
    throw new Failure(
      'conflict',
      `This run was trained on the model in ${ref}, which is not in a folder that this page may use, and no other folder holds the same model. Start jora gui with --root for the folder that does.`,
    )
  }
}
