// The flags that name a model and its adapter, alike for all commands.
import { text, type Flag } from './flag'
import { settingFlags } from './setting-flags'

export const modelFlag = settingFlags.model
const { required: _required, ...optionalModel } = modelFlag
/** For commands that may take the model from its adapter. */
export const baseFlag: Flag<string | undefined> = { ...optionalModel, shown: 'the one the adapter was trained on' }
export const adapterFlag = text(
  'folder of a LoRA adapter in PEFT’s format, as `jora train` writes it, or in MLX’s',
  'DIR',
  {
    aliases: ['adapter-name-or-path', 'adapter-path'],
  },
)
