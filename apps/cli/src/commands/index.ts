// The commands there are, in the order of the help. What one needs is loaded when it is called: `jora --help` loads none.
import type { Command } from 'commander'
import type { Session } from '../io'

type Register = (parent: Command, io: Session) => void

interface Entry {
  /** Its line in the help. */
  readonly summary: string
  readonly load: () => Promise<Register>
}

/** By what is typed after `jora`; two words for a command of a group. */
const commands: Readonly<Record<string, Entry>> = {
  quickstart: {
    summary: 'train, evaluate and try an adapter on the bundled model, documents and questions',
    load: async () => (await import('./quickstart')).registerQuickstart,
  },
  gui: {
    summary: 'open the page: train, watch and try models in the browser',
    load: async () => (await import('./gui')).registerGui,
  },
  learn: {
    summary: 'from a folder of documents to a model that answers from them, in one command',
    load: async () => (await import('./learn/learn')).registerLearn,
  },
  train: {
    summary: 'fine-tune a LoRA adapter on rows of instructions and answers',
    load: async () => (await import('./train')).registerTrain,
  },
  runs: {
    summary: 'list, compare and plot training runs; write them for TensorBoard, as CSV or as a page',
    load: async () => (await import('./runs/runs')).registerRuns,
  },
  eval: {
    summary: 'loss, exact match, F1, and what else fits the rows of a file',
    load: async () => (await import('./eval')).registerEval,
  },
  generate: {
    summary: 'continue a prompt, answer an instruction, or a question on documents',
    load: async () => (await import('./generate')).registerGenerate,
  },
  chat: {
    summary: 'talk with a model, in the prompt template it was trained with; /help lists its commands',
    load: async () => (await import('./chat')).registerChat,
  },
  serve: {
    summary: 'answer over HTTP in OpenAI’s API: chat, completions, streaming, several adapters on one base',
    load: async () => (await import('./serve')).registerServe,
  },
  merge: {
    summary: 'write base model and adapter as one model',
    load: async () => (await import('./export/merge')).registerMerge,
  },
  combine: {
    summary: 'make one adapter of several, each with its weight',
    load: async () => (await import('./export/combine')).registerCombine,
  },
  export: {
    summary: 'write model and adapter for other programs: Hugging Face, PEFT, GGUF',
    load: async () => (await import('./export/export')).registerExport,
  },
  import: {
    summary: 'convert a llama2.c model or an MLX adapter',
    load: async () => (await import('./import')).registerImport,
  },
  push: {
    summary: 'send an adapter or model to the Hugging Face Hub',
    load: async () => (await import('./export/push')).registerPush,
  },
  'data preview': {
    summary: 'show what the model is trained on: tokens, which are learned, figures of the file',
    load: async () => (await import('./data/preview')).registerDataPreview,
  },
  'data import': {
    summary: 'turn published formats into rows',
    load: async () => (await import('./data/import')).registerDataImport,
  },
  'data draft': {
    summary: 'have a model write questions on documents, checked against them',
    load: async () => (await import('./data/draft')).registerDataDraft,
  },
  'data review': {
    summary: 'accept, edit and reject drafted questions, one by one',
    load: async () => (await import('./data/review')).registerDataReview,
  },
  'data raft': {
    summary: 'build contexts of documents and distractors for questions',
    load: async () => (await import('./data/raft')).registerDataRaft,
  },
  'config import': {
    summary: 'print a config of TRL, LLaMA-Factory, Axolotl or mlx-lm as one of JORA’s',
    load: async () => (await import('./config-import')).registerConfigImport,
  },
  devices: {
    summary: 'list what models can run on',
    load: async () => (await import('./devices')).registerDevices,
  },
  doctor: {
    summary: 'show what this machine has, and how to install what is missing',
    load: async () => (await import('./doctor')).registerDoctor,
  },
  estimate: {
    summary: 'compute the memory that a training run needs on a GPU, before it starts',
    load: async () => (await import('./estimate')).registerEstimate,
  },
  bench: {
    summary: 'time a LoRA step on this device, and compare it with what the device reaches',
    load: async () => (await import('./bench')).registerBench,
  },
}

/** Groups of commands. */
const groups: Readonly<Record<string, string>> = { data: 'look at datasets', config: 'configs of other tools' }

/** Adds all commands to `program`, the one that `argv` calls with its flags. */
export async function addCommands(program: Command, io: Session): Promise<void> {
  const words = io.argv.filter((word) => !word.startsWith('-'))
  const called = words[0] === 'help' ? words.slice(1) : words
  for (const [path, { summary, load }] of Object.entries(commands)) {
    const parts = path.split(' ')
    const parent = parts.length === 1 ? program : groupOf(program, parts[0]!)
    if (parts.every((part, i) => part === called[i])) {
      ;(await load())(parent, io)
      parent.commands.at(-1)!.description(summary)
    } else parent.command(parts.at(-1)!).description(summary)
  }
}

const groupOf = (program: Command, name: string): Command =>
  program.commands.find((command) => command.name() === name) ?? program.command(name).description(groups[name] ?? '')
