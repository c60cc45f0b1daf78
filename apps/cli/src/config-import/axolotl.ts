// Configs of Axolotl's `axolotl train`.
import { textOf, type Written } from '../flags/config-text'
import {
  adapterKeys,
  checkpointing,
  heldOut,
  initialisation,
  isOff,
  lack,
  note,
  numbers,
  optimiser,
  reports,
  scheduler,
  speed,
  fileOrder,
  stretchedPositions,
  to,
  wholeModules,
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

/** Keys of the model's config.json that are others for this run. */
function overrides({ value }: Written): Made | readonly [string] {
  const keys = value instanceof Map ? (value as ReadonlyMap<string, Written>) : new Map<string, Written>()
  const other = [...keys.keys()].find((key) => key !== 'rope_scaling')
  if (other !== undefined) return [`another ${other} than the model's`]
  return stretchedPositions.make(keys.get('rope_scaling') ?? nothing)
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
    lora_modules_to_save: wholeModules,
    lora_fan_in_fan_out: lack('transposed weights', 'false'),
    lora_model_dir: to('initAdapter'),
    peft_use_rslora: to('useRslora'),
    peft_use_dora: to('useDora'),
    peft_init_lora_weights: initialisation,
    // Longer rows are left out there.
    sequence_len: { make: (written) => ({ maxSeqLength: textOf(written), onOverflow: 'drop' }) },
    rope_scaling: stretchedPositions,
    curriculum_sampling: fileOrder,
    overrides_of_model_config: { make: overrides },
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
    loss_watchdog_threshold: note('when a run is given up; JORA ends one whose loss is not finite'),
    loss_watchdog_patience: note('when a run is given up; JORA ends one whose loss is not finite'),
    plugins: note('parts of the tool itself'),
    save_safetensors: note('what checkpoints are written as'),
    save_first_step: note('when checkpoints are made; JORA does it each epoch or by --save-every'),
    auto_resume_from_checkpoints: to('resume', (text) => (isOff(text) ? undefined : 'auto')),
    shuffle_merged_datasets: speed,
    dataset_processes: speed,
    dataset_keep_in_memory: speed,
    dataset_exact_deduplication: lack('rows that are twice are learned once', 'false'),
    eager_attention: speed,
    s2_attention: lack('shifted sparse attention', 'false'),
    lora_mlp_kernel: speed,
    lora_qkv_kernel: speed,
    lora_o_kernel: speed,
    lora_on_cpu: speed,
    gpu_memory_limit: note('memory; JORA takes --device-memory'),
    unfrozen_parameters: lack('weights of the base that are trained'),
    relora_steps: lack('ReLoRA'),
    cosine_min_lr_ratio: lack('a cosine that does not end at zero', '0', '0.0'),
    cosine_constant_lr_ratio: lack('a cosine that ends before the run', '0', '0.0'),
    lr_quadratic_warmup: lack('a quadratic warm-up', 'false'),
    noisy_embedding_alpha: lack('noise on the embeddings (NEFTune)', '0'),
    roles_to_train: lack('other turns than the assistant’s', 'assistant'),
    train_on_eos: lack('end marks of other turns', 'turn', 'last'),
    bfloat16: numbers,
    hub_strategy: note('JORA uploads by `jora push`'),
    hf_use_auth_token: note('JORA takes the token of huggingface_hub'),
    eval_table_size: reports,
    eval_max_new_tokens: reports,
    do_causal_lm_eval: reports,
    eval_causal_lm_metrics: reports,
    generate_samples: reports,
    include_tokens_per_second: reports,
    use_wandb: reports,
    use_tensorboard: reports,
    mlflow_tracking_uri: reports,
    comet_project_name: reports,
    wandb_mode: reports,
    wandb_run_id: reports,
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
