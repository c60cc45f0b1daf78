// What the fake server knows: runs in every state, models, a dataset; all of it held to the API's schemas.
import {
  comparisonSchema,
  devicesSchema,
  estimateSchema,
  filesSchema,
  hubModelSchema,
  inspectionSchema,
  jobSchema,
  meshSchema,
  metricsColumnsSchema,
  modelsSchema,
  previewSchema,
  runDetailSchema,
  runSchema,
  sessionSchema,
  type Comparison,
  type Devices,
  type Estimate,
  type Files,
  type HubModel,
  type Inspection,
  type Job,
  type MeshPicture,
  type MetricsColumns,
  type ModelInfo,
  type Preview,
  type Run,
  type RunDetail,
  type RunSettings,
  type Session,
} from '@jora/gui/api'

/** In names and texts: if a page took it for markup, it would set `window.broken`. */
export const script = '<img src=x onerror="window.broken=true"><script>window.broken=true</script>'

export const root = '/home/ada/models'
const tiny = '/opt/jora/assets/tiny-llama'

const at = (minutesAgo: number): string => new Date(Date.now() - minutesAgo * 60_000).toISOString()

export const session: Session = sessionSchema.parse({
  version: '0.1.0',
  platform: 'linux',
  roots: [{ path: root, name: 'models' }],
  runsFolder: `${root}/jora-runs`,
  hub: { endpoint: 'https://huggingface.co', offline: false, hasToken: false },
  bundled: {
    model: tiny,
    datasets: [
      { path: '/opt/jora/assets/questions.jsonl', name: 'Quote the sentence that answers' },
      { path: '/opt/jora/assets/countries/raft.jsonl', name: 'Countries: documents with questions' },
    ],
  },
  defaults: {
    promptTemplate: 'alpaca',
    contextTemplate: 'auto',
    maxSeqLength: 2000,
    onOverflow: 'error',
    packing: 'auto',
    split: 0.8,
    alpacaMix: 0.3,
    loraR: 16,
    loraAlpha: 16,
    loraDropout: 0.05,
    targetModules: ['q_proj', 'v_proj'],
    useRslora: false,
    learningRate: 1e-4,
    lrScheduler: 'cosine',
    warmupSteps: 0,
    warmupRatio: 0,
    weightDecay: 0,
    adamBeta1: 0.9,
    adamBeta2: 0.999,
    adamEpsilon: 1e-8,
    maxGradNorm: 1,
    numEpochs: 7,
    batchSize: 1,
    gradientAccumulationSteps: 8,
    shuffle: true,
    seed: 420,
    device: 'auto',
    dtype: 'auto',
    gradientCheckpointing: 'auto',
    mesh: 'data=1,model=1',
  },
  concurrency: 1,
  uploadLimitBytes: 200 * 2 ** 20,
})

const modules = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']
const model = (over: Partial<ModelInfo>): ModelInfo => ({
  ref: tiny,
  name: 'tiny-llama',
  source: 'bundled',
  path: tiny,
  family: 'llama',
  parameters: 1_032_000,
  layers: 4,
  hiddenSize: 128,
  vocabSize: 1536,
  maxPositions: 1024,
  bytes: 4_128_000,
  hasChatTemplate: false,
  modules,
  problem: null,
  ...over,
})
export const models: ModelInfo[] = modelsSchema.parse({
  models: [
    model({}),
    model({
      ref: `${root}/SmolLM2-135M`,
      path: `${root}/SmolLM2-135M`,
      name: 'SmolLM2-135M',
      source: 'folder',
      parameters: 134_515_008,
      layers: 30,
      hiddenSize: 576,
      vocabSize: 49_152,
      maxPositions: 8192,
      bytes: 269_060_552,
      hasChatTemplate: true,
    }),
    model({
      ref: 'meta-llama/Llama-3.2-1B',
      path: '/home/ada/.cache/huggingface/hub/llama',
      name: 'meta-llama/Llama-3.2-1B',
      source: 'cache',
      parameters: 1_235_814_400,
      layers: 16,
      hiddenSize: 2048,
      vocabSize: 128_256,
      maxPositions: 131_072,
      bytes: 2_471_645_608,
    }),
    model({
      ref: `${root}/${script}`,
      path: `${root}/${script}`,
      name: script,
      source: 'folder',
      family: 'mamba',
      parameters: null,
      layers: null,
      maxPositions: null,
      bytes: null,
      problem: 'config.json has model_type "mamba"; JORA computes llama, gemma, gemma2 and gemma3_text.',
    }),
  ],
}).models

export const hubModels: HubModel[] = [
  ['HuggingFaceTB/SmolLM2-135M', true, 134_515_008, false, true],
  ['HuggingFaceTB/SmolLM2-360M-Instruct', true, 361_821_120, false, false],
  ['google/gemma-2-2b', true, 2_614_341_888, true, false],
  ['state-spaces/mamba-130m', false, 129_135_360, false, false],
].map(([id, supported, parameters, gated, cached], i) =>
  hubModelSchema.parse({
    id,
    family: supported ? 'llama' : 'mamba',
    supported,
    parameters,
    downloads: 812_345 - 190_000 * i,
    likes: 120,
    gated,
    updatedAt: at(40_000),
    cached,
  }),
)

export const devices: Devices = devicesSchema.parse({
  devices: [
    { kind: 'cpu', name: 'AMD Ryzen 7 7840U', auto: true, cores: 8, memoryBytes: 16 * 2 ** 30 },
    { kind: 'webgpu', name: 'llvmpipe', auto: false, software: true, f16: true },
  ],
  default: 'AMD Ryzen 7 7840U',
})

const settings = (over: Partial<RunSettings> = {}): RunSettings => ({
  model: tiny,
  dataset: '/opt/jora/assets/countries/raft.jsonl',
  numEpochs: 5,
  learningRate: 0.002,
  batchSize: 4,
  gradientAccumulationSteps: 2,
  ...over,
})

const run = (id: string, over: Partial<Run>): Run =>
  runSchema.parse({
    id,
    name: id,
    folder: `${root}/jora-runs/${id}`,
    source: 'gui',
    kind: 'train',
    state: 'done',
    pending: null,
    actions: [],
    message: null,
    queuePosition: null,
    createdAt: at(60),
    startedAt: at(60),
    updatedAt: at(1),
    model: tiny,
    dataset: '/opt/jora/assets/countries/raft.jsonl',
    device: 'AMD Ryzen 7 7840U, 2 threads',
    step: 0,
    totalSteps: null,
    epoch: null,
    loss: null,
    evalLoss: null,
    tokensPerSecond: null,
    etaSeconds: null,
    hasAdapter: false,
    hasCheckpoint: false,
    ...over,
  })

/** A run whose loss falls as losses do: fast at first, noisy, with evaluations on the way. */
export function metricsOf(steps: number, { every = 71, devices: count = 1, floor = 0.07 } = {}): MetricsColumns {
  let seed = steps + count
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed / 2_147_483_648
  }
  const columns: MetricsColumns = {
    from: 0,
    next: `${steps}`,
    steps: {
      step: [],
      epoch: [],
      loss: [],
      learningRate: [],
      gradNorm: [],
      tokens: [],
      targetTokens: [],
      samples: [],
      stepMs: [],
      deviceBytes: Array.from({ length: count }, () => []),
    },
    evals: { step: [], loss: [], perplexity: [], exactMatch: [] },
    checkpoints: [],
  }
  for (let step = 1; step <= steps; step++) {
    const share = step / steps
    const loss = (floor + 2.6 * Math.exp(-9 * share)) * (0.75 + 0.5 * random())
    columns.steps.step.push(step)
    columns.steps.epoch.push(5 * share)
    columns.steps.loss.push(loss)
    columns.steps.learningRate.push(0.001 * (1 + Math.cos(Math.PI * share)))
    columns.steps.gradNorm.push(0.2 + 1.4 * Math.exp(-5 * share) * random())
    columns.steps.tokens.push(640)
    columns.steps.targetTokens.push(70)
    columns.steps.samples.push(8)
    columns.steps.stepMs.push(120)
    columns.steps.deviceBytes.forEach((column, i) => column.push(31_000_000 + 2_000_000 * i + 400_000 * Math.round(3 * random())))
    if (step % every === 0) {
      columns.evals.step.push(step)
      columns.evals.loss.push(floor * 1.07 + 1.9 * Math.exp(-9 * share))
      columns.evals.perplexity.push(1.1)
      columns.evals.exactMatch.push(null)
    }
  }
  return metricsColumnsSchema.parse(columns)
}

export const metrics: Readonly<Record<string, MetricsColumns>> = {
  quickstart: { ...metricsOf(710), done: { steps: 710, seconds: 86.4, peakDeviceBytes: [33_000_000] } },
  'long-history': metricsOf(10_000, { every: 500 }),
  'two-devices': metricsOf(240, { devices: 2, every: 60 }),
  'rank-32': { ...metricsOf(710, { floor: 0.055 }), done: { steps: 710, seconds: 97, peakDeviceBytes: [35_000_000] } },
  'terminal-run': metricsOf(330, { floor: 0.11 }),
  'too-large': metricsOf(0),
  waiting: metricsOf(0),
}

export const startRuns: readonly Run[] = [
  run('two-devices', {
    name: 'Handbook, two devices',
    state: 'running',
    actions: ['pause', 'stop'],
    startedAt: at(4),
    createdAt: at(4),
    step: 240,
    totalSteps: 900,
    epoch: 1.33,
    loss: 0.4121,
    evalLoss: 0.4387,
    tokensPerSecond: 5312,
    etaSeconds: 312,
    hasCheckpoint: true,
    hasAdapter: true,
  }),
  run('waiting', {
    name: 'Handbook, rank 64',
    state: 'queued',
    actions: ['remove'],
    queuePosition: 1,
    createdAt: at(3),
    startedAt: null,
    device: null,
  }),
  run('quickstart', {
    name: 'quickstart',
    kind: 'quickstart',
    createdAt: at(90),
    startedAt: at(90),
    step: 710,
    totalSteps: 710,
    epoch: 5,
    loss: 0.0702,
    evalLoss: 0.0751,
    hasAdapter: true,
    hasCheckpoint: true,
  }),
  run('rank-32', {
    name: 'Countries, rank 32',
    createdAt: at(300),
    startedAt: at(300),
    step: 710,
    totalSteps: 710,
    epoch: 5,
    loss: 0.0571,
    evalLoss: 0.0613,
    hasAdapter: true,
    hasCheckpoint: true,
  }),
  run('long-history', {
    name: 'Ten thousand steps',
    state: 'stopped',
    actions: ['resume'],
    createdAt: at(3000),
    startedAt: at(3000),
    step: 10_000,
    totalSteps: 14_000,
    epoch: 3.6,
    loss: 0.0712,
    evalLoss: 0.0749,
    hasAdapter: true,
    hasCheckpoint: true,
  }),
  run('too-large', {
    name: 'Llama 3.2 1B, long rows',
    state: 'failed',
    message: 'device: allocating 6.4 GiB for activations failed: out of memory (15.2 of 16 GiB in use)',
    createdAt: at(4000),
    startedAt: at(4000),
    model: 'meta-llama/Llama-3.2-1B',
    totalSteps: 400,
  }),
  run('terminal-run', {
    name: script,
    source: 'terminal',
    state: 'paused',
    createdAt: at(9000),
    startedAt: at(9000),
    step: 330,
    totalSteps: 710,
    epoch: 2.3,
    loss: 0.1313,
    evalLoss: 0.1391,
    hasAdapter: true,
    hasCheckpoint: true,
  }),
]

export const detailOf = (of: Run): RunDetail =>
  runDetailSchema.parse({
    run: of,
    settings: of.source === 'terminal' ? null : settings(of.id === 'rank-32' ? { loraR: 32 } : {}),
    record: {
      version: '0.1.0',
      node: 'v20.20.2',
      platform: 'linux-x64',
      device: of.device,
      mesh: null,
      settings: {
        modelPath: tiny,
        epochs: 5,
        learningRate: 0.002,
        scheduler: 'cosine',
        loraR: of.id === 'rank-32' ? 32 : 16,
        loraAlpha: 16,
        loraDropout: 0.05,
        targetModules: ['q_proj', 'v_proj'],
        batchSize: 4,
        gradientAccumulationSteps: 2,
        maxSeqLength: 2000,
        packing: 'auto',
        split: 0.8,
        seed: 420,
      },
      dataset: { path: '/opt/jora/assets/countries/raft.jsonl', hash: 'sha256:4b1e…', packing: 'tree' },
      totalSteps: of.totalSteps,
    },
    quickstart:
      of.id === 'quickstart'
        ? { exactMatch: { base: 0, tuned: 0.691 }, heldOutRows: 175, trainSeconds: 86, totalSeconds: 109 }
        : null,
    adapter: of.hasAdapter ? of.folder : null,
  })

export const comparisonOf = (runs: readonly Run[]): Comparison =>
  comparisonSchema.parse({
    runs: runs.map((one) => ({ run: one, settings: settings() as Record<string, unknown>, metrics: metrics[one.id] })),
    differences: [
      { key: 'loraR', values: runs.map(({ id }) => (id === 'rank-32' ? 32 : 16)) },
      { key: 'learningRate', values: runs.map((_, i) => (i === 1 ? 0.001 : 0.002)) },
      { key: 'targetModules', values: runs.map((_, i) => (i === 0 ? ['q_proj', 'v_proj'] : ['all-linear'])) },
    ],
  })

export const files = (path: string | null): Files =>
  filesSchema.parse({
    path,
    parent: null,
    entries:
      path === null
        ? [{ name: 'models', path: root, kind: 'folder', bytes: 0, modifiedAt: at(10), use: null }]
        : [
            ['SmolLM2-135M', 'folder', 0, 'model'],
            ['jora-runs', 'folder', 0, null],
            ['handbook.jsonl', 'file', 482_113, 'dataset'],
            [script, 'file', 20, null],
          ].map(([name, kind, bytes, use]) => ({ name, path: `${path}/${name}`, kind, bytes, modifiedAt: at(900), use })),
    leftOut: 0,
  })

export const inspection = (path: string): Inspection =>
  inspectionSchema.parse({
    path,
    bytes: 482_113,
    format: 'raft',
    formats: ['raft'],
    layout: 'lines',
    rows: 177,
    first: [
      {
        context: ['The capital of Peru is Lima. Peru is in South America.', `The capital of Cuba is ${script}`],
        questions: [{ question: 'Where is Peru?', answer: 'Peru is in South America.' }],
        split: 'test',
      },
      {
        context: ['The capital of Kenya is Nairobi. Kenya is in Africa.', 'The capital of Fiji is Suva.'],
        questions: [{ question: 'What is the capital of Kenya?', answer: 'The capital of Kenya is Nairobi.' }],
        split: 'test',
      },
    ],
    errors: path.includes('broken')
      ? [
          { row: 12, line: 12, key: 'questions', message: 'expected a list of questions, got a number' },
          { row: 31, line: 31, key: 'context', message: 'expected a text or a list of texts, got nothing' },
        ]
      : [],
    errorCount: path.includes('broken') ? 2 : 0,
    hint: null,
  })

const words = (text: string): string[] => text.match(/\s*\S+/g) ?? []
export const preview = (index: number): Preview => {
  const parts = [
    ['context', undefined, `### Context:\n<DOCUMENT>The capital of Peru is Lima. Peru is in South America. People in Peru speak Spanish. ${script}</DOCUMENT>\n<DOCUMENT>The capital of Cabo Verde is Praia. Cabo Verde is in Africa.</DOCUMENT>\n`],
    ['question', 0, '### Question:\nWhere is Peru?\n### Response:\n'],
    ['answer', 0, 'Peru is in South America.'],
    ['end', 0, '</s>'],
    ['question', 1, '### Question:\nWhat do people in Peru speak?\n### Response:\n'],
    ['answer', 1, 'People in Peru speak Spanish.'],
    ['end', 1, '</s>'],
  ] as const
  const figures = (samples: number) => ({
    samples,
    contexts: Math.round(samples / 5),
    tokens: samples * 116,
    separateTokens: samples * 391,
    targetTokens: samples * 11,
    dropped: 0,
    truncated: 0,
  })
  return previewSchema.parse({
    index,
    row: index + 3,
    tokens: parts.flatMap(([kind, branch, text]) =>
      (kind === 'end' ? [text] : words(text)).map((word, i) => ({
        id: 100 + i,
        text: word,
        learned: kind === 'answer' || kind === 'end',
        kind,
        ...(branch !== undefined && { branch }),
      })),
    ),
    packing: 'tree',
    statistics: { ...figures(885), train: figures(710), heldOut: figures(175) },
    lengths: { shortest: 84, median: 402, longest: 611, histogram: [2, 5, 14, 30, 44, 38, 22, 12, 6, 4] },
    plan: { stepsPerEpoch: 89, steps: 623 },
  })
}

export function mesh(data: number, split: number): MeshPicture {
  const parts = [
    ['model.embed_tokens', 'before', 'rows', [1536, 128]],
    ['self_attn.q_proj', 'layer', 'rows', [128, 128]],
    ['self_attn.k_proj', 'layer', 'rows', [128, 128]],
    ['self_attn.v_proj', 'layer', 'rows', [128, 128]],
    ['self_attn.o_proj', 'layer', 'columns', [128, 128]],
    ['mlp.gate_proj', 'layer', 'rows', [352, 128]],
    ['mlp.up_proj', 'layer', 'rows', [352, 128]],
    ['mlp.down_proj', 'layer', 'columns', [128, 352]],
    ['input_layernorm', 'layer', 'none', [128]],
    ['model.norm', 'after', 'none', [128]],
  ] as const
  return meshSchema.parse({
    data,
    model: split,
    layers: 4,
    modelSplits: [1, 2, 4],
    devices: Array.from({ length: data * split }, (_, index) => {
      const place = { data: Math.floor(index / split), model: index % split }
      return {
        index,
        at: place,
        weightBytes: 4_128_000 / split,
        parts: parts.map(([module, where, how, shape]) => {
          const of = how === 'columns' ? (shape[1] ?? 1) : shape[0]
          const whole = how === 'none' || split === 1
          return {
            module,
            place: where,
            split: whole ? 'none' : how,
            shape: [...shape],
            from: whole ? 0 : (of / split) * place.model,
            to: whole ? of : (of / split) * (place.model + 1),
            of,
          }
        }),
      }
    }),
  })
}

export function estimate({ mesh: text = 'data=1,model=1' }: RunSettings): Estimate {
  const count = (axis: string) => Number(new RegExp(`${axis}=(\\d+)`).exec(text)?.[1] ?? 1)
  const [data, split] = [count('data'), count('model')]
  return estimateSchema.parse({
    steps: 623,
    stepsPerEpoch: 89,
    samples: 710,
    tokens: 82_360,
    longestTokens: 611,
    device: 'cpu',
    deviceName: 'AMD Ryzen 7 7840U',
    memory: {
      devices: data * split,
      weightBytes: Math.round(4_128_000 / split),
      stateBytes: 1_180_000,
      activationBytes: 21_500_000,
      totalBytes: Math.round(4_128_000 / split) + 22_680_000,
      fits: true,
      checkpointing: false,
    },
    seconds: 95,
    notes: ['The time is that of 5 steps measured on this machine; evaluations come on top.'],
    mesh: mesh(data, split),
  })
}

export const job = (id: string, over: Partial<Job>): Job =>
  jobSchema.parse({
    id,
    kind: 'export',
    title: 'GGUF q8_0',
    state: 'done',
    runId: 'quickstart',
    progress: null,
    message: null,
    result: { path: `${root}/jora-runs/quickstart/exports/model-q8_0.gguf`, file: 'exports/model-q8_0.gguf' },
    startedAt: at(5),
    endedAt: at(4),
    ...over,
  })
