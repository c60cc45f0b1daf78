// Training on the contexts, from where an earlier call stopped.
import type { Device } from '@jora/tensor'
import { streamDataset } from '../datasets/stream-dataset'
import { stepsOfRun, trainLora } from '../train/train-lora'
import type { StageContext, TrainFigures } from './options'

/** Trains; a run that the signal stops leaves its checkpoint. @throws the signal's reason */
export async function trainStage(
  { path, config, model, signal, onTrain }: StageContext,
  device: Device,
): Promise<TrainFigures> {
  const started = performance.now()
  using dataset = await streamDataset(path('contexts'), 'train', config, model, { signal })
  onTrain?.({ type: 'begin', totalSteps: stepsOfRun(config, dataset) })
  let heldOutLoss: number | null = null
  const {
    steps,
    finished,
    finalLoss = null,
  } = await trainLora(config, dataset, path('train'), {
    resume: 'auto',
    signal,
    device,
    model,
    onEvent(event) {
      if (event.type === 'eval') heldOutLoss = event.loss
      onTrain?.(event)
    },
  })
  if (!finished) {
    signal?.throwIfAborted()
    throw new Error('training stopped before its end')
  }
  const { samples, tokens } = dataset.statistics.train
  return { steps, finalLoss, heldOutLoss, seconds: (performance.now() - started) / 1000, samples, tokens }
}
