// The base model of a run, for what is done with its adapter.
import type { Models } from '../models/models'
import type { ManagedRun } from '../runs/managed-run'
import { Failure } from './failure'

/** The folder of the model a run was trained on. @throws Failure when it is gone, or outside the roots */
export async function modelDirOf(run: ManagedRun, models: Models): Promise<string> {
  await run.refresh()
  const ref = run.record?.settings?.model ?? run.json?.model?.folder ?? run.json?.settings?.modelPath
  if (ref === undefined || ref === null)
    throw new Failure('conflict', 'Which model this run trains is known once it has begun.')
  return models.folderOf(ref, 'model')
}
