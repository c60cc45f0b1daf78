// Rows of a file as training and held-out samples of a model's tokenizer, in memory.
import type { Sample } from '@jora/data'
import { describeModel, type ModelDescription } from '@jora/llama'
import type { DatasetOptions, JoraDataset } from './options'
import { prepareFiles } from './stream-dataset'
import type { JoraConfig } from '../settings/jora-config'

/**
 * Reads rows in any format that `@jora/data` knows (JSON or JSONL; contexts with questions, Alpaca, chat, …), of one or
 * several files or data sets of the Hub, with commas between, tokenises
 * them with the model's tokenizer and splits them: 'train' returns the training share (general rows mixed in) and the
 * held-out rows, 'test' the held-out rows alone. All samples are in memory; `streamDataset` reads them from a file where they
 * are many.
 * @param model the config's model, where it is open already
 * @throws DatasetError naming file, row and key; ConfigError or an error of `openModel` when the model cannot be used
 */
export async function generateAlpacaDataset(
  path: string,
  part: 'train' | 'test',
  config: JoraConfig,
  model?: Pick<ModelDescription, 'tokenizer' | 'config'>,
  options: DatasetOptions = {},
): Promise<JoraDataset> {
  const { [Symbol.dispose]: _nothingIsOpen, ...dataset } = await prepareFiles(
    path,
    part,
    config,
    model ?? (await describeModel(config.settings.modelPath)),
    options,
  )
  return dataset as JoraDataset<readonly Sample[]>
}
