// Configs of LLaMA-Factory's `llamafactory-cli train`.
import { textOf } from '../flags/config-text'
import {
  adapterKeys,
  heldOut,
  isOff,
  lack,
  longest,
  note,
  numbers,
  reports,
  speed,
  fileOrder,
  stretchedPositions,
  to,
  wholeModules,
  trainingArguments,
  type Tool,
} from './meaning'

export const llamaFactory: Tool = {
  title: 'LLaMA-Factory',
  marks: [
    'stage',
    'finetuning_type',
    'template',
    'dataset_dir',
    'lora_target',
    'val_size',
    'overwrite_cache',
    'preprocessing_num_workers',
  ],
  keys: {
    ...trainingArguments,
    ...adapterKeys,
    model_name_or_path: to('model'),
    adapter_name_or_path: to('initAdapter'),
    stage: lack('another kind of training than on answers', 'sft'),
    finetuning_type: {
      make: (written) => {
        const kind = textOf(written)
        if (kind === 'lora') return {}
        return ['freeze', 'full'].includes(kind)
          ? { finetuningType: kind }
          : [`the kind of training ${kind}; JORA has lora, freeze and full`]
      },
    },
    freeze_trainable_layers: to('trainableLayers'),
    freeze_trainable_modules: to('trainableModules'),
    freeze_extra_modules: wholeModules,
    dataset: {
      make: (written) => {
        const name = textOf(written)
        if (name.includes(',')) return [`several datasets (${name}); JORA reads one file: write their rows into one`]
        if (/\.jsonl?$|\//.test(name)) return { dataset: name }
        return [`a name in dataset_info.json; give the file that it names there: --dataset FILE`]
      },
    },
    dataset_dir: note('where dataset_info.json is; JORA reads files by their paths'),
    template: {
      make: (written) => {
        const name = textOf(written)
        if (name === 'alpaca') return { promptTemplate: 'alpaca' }
        return { promptTemplate: ['empty', 'vanilla', 'default'].includes(name) ? 'none' : 'chat' }
      },
    },
    cutoff_len: longest,
    max_samples: lack('only the first rows are used; cut the file'),
    val_size: heldOut,
    lora_rank: to('loraR'),
    lora_target: to('targetModules'),
    additional_target: wholeModules,
    pissa_init: to('initLoraWeights', (text) => (isOff(text) ? undefined : 'pissa')),
    pissa_iter: note('JORA takes as many steps as the singular vectors need'),
    pissa_convert: note('JORA saves a plain LoRA always'),
    quantization_bit: {
      make: (written) => {
        const method = new Map([
          ['4', 'nf4'],
          ['8', 'int8'],
        ]).get(textOf(written))
        return method ? { quantize: method } : [`weights in ${textOf(written)} bits; JORA has 4 and 8: --quantize`]
      },
    },
    quantization_method: note('goes with quantization_bit'),
    train_on_prompt: lack('prompts are learned too', 'false'),
    mask_history: lack('only the last turn is learned', 'false'),
    packing: speed,
    neat_packing: speed,
    flash_attn: speed,
    enable_liger_kernel: speed,
    overwrite_cache: speed,
    preprocessing_num_workers: speed,
    include_num_input_tokens_seen: note('reports only'),
    disable_gradient_checkpointing: to('gradientCheckpointing', (text) => (isOff(text) ? undefined : 'off')),
    streaming: speed,
    tokenized_path: speed,
    media_dir: note('JORA trains on text'),
    eval_dataset: lack('held-out rows of a file of their own; mark them by "split" in the rows'),
    mix_strategy: lack('rows mixed by shares', 'concat'),
    shift_attn: lack('shifted sparse attention', 'false'),
    use_unsloth: speed,
    upcast_layernorm: numbers,
    pure_bf16: numbers,
    resize_vocab: lack('tokens that are added to the tokenizer', 'false'),
    use_galore: lack('GaLore', 'false'),
    default_system: lack('a system message before conversations that have none'),
    enable_thinking: note('thoughts are learned as the rows have them'),
    predict_with_generate: note('JORA answers held-out rows by `jora eval`'),
    do_predict: note('JORA answers held-out rows by `jora eval`'),
    use_swanlab: reports,
    swanlab_project: reports,
    rope_scaling: stretchedPositions,
    disable_shuffling: fileOrder,
  },
  defaults: ({ loraR = '8' }) => ({
    learningRate: '5e-5',
    lrScheduler: 'linear',
    numEpochs: '3',
    batchSize: '8',
    gradientAccumulationSteps: '1',
    loraR,
    loraAlpha: String(2 * Number(loraR)),
    loraDropout: '0',
    targetModules: 'all-linear',
    maxSeqLength: '2048',
    onOverflow: 'truncate',
    promptTemplate: 'chat',
    split: '1',
    seed: '42',
  }),
}
