// Configs of Axolotl's `axolotl train`.
import { textOf, type Written } from '../flags/config-text'
import {
  adapterKeys,
  checkpointing,
  heldOut,
  initialisation,
  lack,
  note,
  numbers,
  optimiser,
  reports,
  scheduler,
  speed,
  to,
  trainingArguments,
  type Made,
  type Tool,
} from './meaning'

const nothing: Written = { value: null, plain: true, source: '' }

/** The one dataset of a list. */
function oneDataset({ value }: Written): Made | readonly [string] {
  const list = Array.isArray(value) ? (value as readonly Written[]) : []
  const [first] = list
  if (list.length !== 1 || !(first?.value instanceof Map))
    return [`${list.length} datasets; JORA reads one file: write their rows into one`]
  const entry = first.value as ReadonlyMap<string, Written>
  const path = entry.get('path')?.value
  const file = entry.get('data_files')?.value
  const dataset = typeof file === 'string' ? file : path
  if (typeof dataset !== 'string') return ['a dataset without a path']
  const type = textOf(entry.get('type') ?? nothing)
  const template = /^(alpaca)/.test(type) ? 'alpaca' : /^(chat_template|sharegpt)/.test(type) ? 'chat' : undefined
  if (type !== '' && template === undefined && type !== 'completion')
    return [`rows of the type ${type}; JORA reads Alpaca, chat and context rows`]
  if (type === 'completion') return ['plain text is learned, with no question in front of it']
  return { dataset, ...(template && { promptTemplate: template }) }
}

export const axolotl: Tool = {
  title: 'Axolotl',
  marks: [
    'datasets',
    'micro_batch_size',
    'sequence_len',
    'lora_target_linear',
    'sample_packing',
    'val_set_size',
    'dataset_prepared_path',
    'train_on_inputs',
    'adapter',
  ],
  keys: {
    ...trainingArguments,
    ...adapterKeys,
    base_model: to('model'),
    base_model_config: note('read from the model itself'),
    model_type: note('read from the model itself'),
    tokenizer_type: note('read from the model itself'),
    is_llama_derived_model: note('read from the model itself'),
    datasets: { make: oneDataset },
    test_datasets: note('JORA holds out rows by --split'),
    dataset_prepared_path: speed,
    val_set_size: heldOut,
    adapter: lack('an adapter other than LoRA', 'lora', 'qlora'),
    lora_r: to('loraR'),
    lora_target_modules: to('targetModules'),
    lora_target_linear: to('targetModules', (text) => (/^(true|yes|on)$/i.test(text) ? 'all-linear' : undefined)),
    lora_layers_to_transform: to('layersToTransform'),
    lora_modules_to_save: lack('modules that are trained whole'),
    lora_fan_in_fan_out: lack('transposed weights', 'false'),
    lora_model_dir: to('initAdapter'),
    peft_use_rslora: to('useRslora'),
    peft_use_dora: to('useDora'),
    peft_init_lora_weights: initialisation,
    // Longer rows are left out there.
    sequence_len: { make: (written) => ({ maxSeqLength: textOf(written), onOverflow: 'drop' }) },
    sample_packing: note('several samples in one row: speed only'),
    eval_sample_packing: speed,
    pad_to_sequence_len: speed,
    micro_batch_size: to('batchSize'),
    eval_batch_size: speed,
    num_epochs: to('numEpochs'),
    optimizer: optimiser,
    lr_scheduler: scheduler,
    gradient_checkpointing: checkpointing,
    train_on_inputs: lack('prompts are learned too', 'false'),
    chat_template: to('promptTemplate', (text) => (text === 'alpaca' ? 'alpaca' : 'chat')),
    special_tokens: lack('other special tokens than the tokenizer has'),
    tokens: lack('tokens that are added to the tokenizer'),
    float16: numbers,
    flash_attention: speed,
    xformers_attention: speed,
    sdp_attention: speed,
    fsdp: speed,
    fsdp_config: speed,
    strict: note('a check of the tool itself'),
    debug: reports,
    evals_per_epoch: note('when the held-out rows are measured; JORA does it each epoch or by --eval-every'),
    saves_per_epoch: note('when checkpoints are made; JORA does it each epoch or by --save-every'),
    early_stopping_patience: to('patience'),
    local_rank: speed,
    wandb_project: reports,
    wandb_entity: reports,
    wandb_watch: reports,
    wandb_name: reports,
    wandb_log_model: reports,
  },
  defaults: () => ({
    lrScheduler: 'cosine',
    numEpochs: '1',
    batchSize: '1',
    gradientAccumulationSteps: '1',
    maxSeqLength: '512',
    onOverflow: 'drop',
    split: '1',
    seed: '42',
  }),
}
