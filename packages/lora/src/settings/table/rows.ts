// Settings of the model and of the rows it is trained on.
import type { ContextTemplate, OverflowPolicy, Packing, PromptChoice } from '@jora/data'
import type { RecipeName } from '../recipes'
import type { Settings } from '../setting'
import { choice, integer, matching, number, path, text } from '../types'

export const rowSettings = {
  modelPath: {
    type: text('DIR or hub id'),
    required: true,
    name: 'model',
    aliases: ['model-name-or-path', 'base-model'],
    help: 'the base model: a folder in Hugging Face layout, a GGUF file, or a Hub id (org/name, org/name:Q4_K_M)',
    label: 'Model',
    about: 'The model that is tuned: a folder in Hugging Face layout, or the name of a model on the Hub.',
    group: 'rows',
  },
  recipe: {
    type: choice<RecipeName>({
      paper: 'The paper’s',
      raft: 'Questions on documents',
      instruct: 'Instructions of many kinds',
    }),
    fallback: 'paper',
    help: 'settings to start from; what is given wins over them. raft: all linear layers, rank 16, alpha 32, rate 2e-4, 2 epochs; instruct: all linear layers, rank 64 with rsLoRA, rate 2e-4, 3 epochs',
    label: 'Recipe',
    about: 'Settings that go together. What is set by hand wins over them.',
    group: 'rows',
    page: false,
  },
  promptTemplate: {
    type: choice<PromptChoice>({
      auto: 'As fits',
      alpaca: 'Alpaca',
      raft: 'RAFT',
      chat: 'The model’s chat form',
      none: 'Nothing',
    }),
    fallback: 'auto',
    help: "how a row becomes the text before its answer; chat is the model's own template, auto what fits rows and model",
    label: 'Prompt',
    about:
      'What is written around instruction and input: Alpaca’s or RAFT’s text, the model’s own chat form, or nothing.',
    group: 'rows',
  },
  contextTemplate: {
    type: choice<ContextTemplate>({ auto: 'As fits', tags: 'Between tags', plain: 'Plain' }, { document: 'tags' }),
    fallback: 'auto',
    help: 'how the documents of a context are written; tags was document in earlier versions',
    label: 'Documents',
    about: 'How the documents of a context are written: each between tags, or one after another.',
    group: 'rows',
  },
  columns: {
    type: matching(
      'question=Q,answer=A,…',
      /^\s*\w+\s*=[^,=]+(,\s*\w+\s*=[^,=]+)*$/,
      'question=Q,answer=A and perhaps context=C or input=I, and id=D',
    ),
    absent: 'question, answer, context',
    help: 'the keys, or columns of a table, that hold question and answer, and perhaps context or input, and id',
    label: 'Columns',
    about: 'Which columns hold question, answer and context, where they are called otherwise.',
    group: 'rows',
    page: false,
  },
  maxSeqLength: {
    type: integer(2, 16_777_216),
    fallback: 2000,
    aliases: ['max-seq-len', 'max-length', 'cutoff-len'],
    help: 'longest sample, in tokens',
    label: 'Longest sample',
    about: 'In tokens, about three quarters of a word each. Longer samples need more memory.',
    group: 'rows',
    basic: 5,
  },
  onOverflow: {
    type: choice<OverflowPolicy>({ error: 'Stop and name them', drop: 'Leave them out', truncate: 'Shorten them' }),
    fallback: 'error',
    help: 'what to do with longer samples',
    label: 'Samples that are too long',
    about: 'What happens to samples that are longer.',
    group: 'rows',
  },
  packing: {
    type: choice<Packing>({ auto: 'Where it pays', none: 'Never', tree: 'Always' }),
    fallback: 'auto',
    help: 'whether questions that share a context share its computation (tree); auto does where it saves time',
    label: 'Shared contexts',
    about: 'Questions on the same context share its computation: the same result in less time.',
    group: 'rows',
  },
  split: {
    type: number('over 0 and up to 1', (value) => value > 0 && value <= 1),
    fallback: 0.8,
    help: 'training share; the rest is held out for evaluation',
    label: 'Share that is learned',
    about: 'The rest of the rows is held out, to measure the model on rows it has not seen.',
    group: 'rows',
  },
  alpacaMix: {
    type: number('from 0 to below 1', (value) => value >= 0 && value < 1),
    fallback: 0.3,
    absent: '0.3 with a file',
    help: 'share of general rows mixed into training',
    label: 'Share of general rows',
    about: 'Share of the training rows that come from the file of general rows, 0 to 1.',
    group: 'rows',
  },
  alpacaMixFile: {
    type: path('file'),
    help: 'file of general rows',
    label: 'General rows mixed in',
    about: 'A file of general instructions, so that the model does not forget its other skills. Empty: none.',
    group: 'rows',
  },
} as const satisfies Settings
