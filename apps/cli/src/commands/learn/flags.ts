// The flags of `jora learn`: drafting, documents, contexts, and every setting of a training run.
import type { RecipeName } from '@jora/lora/settings'
import { learnStages, type LearnStage } from '@jora/lora'
import { drafterFlags } from '../../drafter'
import { choice, grouped, integer, number, required, text, toggle, withDefault } from '../../flags/flag'
import { headedFlags, headingOf } from '../../flags/setting-flags'
import { chunkFlags } from '../../reading'
import { retrieverFlags } from '../../retrieval'

const {
  model,
  alpacaMix: _mix,
  alpacaMixFile: _mixFile,
  initAdapter: _init,
  mesh: _mesh,
  launcher: _launcher,
  // What is learned here is an adapter, which is compared with its base.
  finetuningType: _type,
  trainableLayers: _layers,
  trainableModules: _modules,
  saveDtype: _saved,
  recipe,
  columns,
  ...training
} = headedFlags

const stages = Object.keys(learnStages) as LearnStage[]

export const learnFlags = {
  model,
  recipe: { ...recipe, fallback: 'raft' as RecipeName, shown: 'raft' },
  ...grouped(headingOf('rows'), {
    outputDir: required(text('where every stage leaves its file, and the adapter goes', 'DIR')),
    questions: text('questions that there are already: JSON or JSONL of question, answer, …; none is drafted', 'FILE'),
    columns: {
      ...columns,
      help: 'the keys, or columns of a table, of --questions that hold question and answer, and perhaps id',
    },
    until: withDefault(
      choice('the last stage to do: read documents, draft questions, contexts, train, evaluate', stages),
      'evaluate' as LearnStage,
    ),
    dryRun: toggle('read and count the documents, say what would be done and about what it takes; write nothing'),
  }),
  ...drafterFlags,
  ...chunkFlags,
  ...grouped('Contexts:', {
    distractors: withDefault(integer('documents beside the golden one', 0), 4),
    ...retrieverFlags,
    goldenProbability: withDefault(
      number(
        'share of training questions that see their golden document',
        'from 0 to 1',
        (value) => value >= 0 && value <= 1,
      ),
      0.8,
    ),
  }),
  ...training,
  ...grouped('Evaluation:', {
    evalQuestions: withDefault(integer('held-out questions that are asked at most', 1), 200),
    maxNewTokens: withDefault(integer('longest answer, in tokens', 1), 64),
  }),
}
