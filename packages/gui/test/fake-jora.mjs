// Stands for the command line in tests: `train` writes metrics.jsonl as fast as it is told, the rest prints what it was given.
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [command, ...args] = process.argv.slice(2)
const flag = (/** @type {string} */ name) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3)

/** @returns {Record<string, any>} the keys of a config file */
const readConfig = (/** @type {string} */ path) =>
  Object.fromEntries(
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => /^[a-z]/.test(line))
      .map((line) => [line.slice(0, line.indexOf(':')), JSON.parse(line.slice(line.indexOf(':') + 1))]),
  )

/** Where tests look which processes there were, and what they wrote. */
const ledger = process.env.JORA_FAKE_LEDGER
const note = (/** @type {object} */ line) =>
  ledger && appendFileSync(ledger, `${JSON.stringify({ pid: process.pid, ...line })}\n`)

/** `seed` is the number of steps a second; `gpu: stubborn` hears no Ctrl-C; `gpu: broken` fails. */
function train() {
  const config = readConfig(flag('config') ?? '')
  const folder = config['output-dir']
  const metrics = join(folder, 'metrics.jsonl')
  const total = config['max-steps'] ?? 100
  note({ folder })
  console.error(`fake run of ${total} steps`)
  if (config.gpu === 'broken') {
    console.error('error: --gpu: no adapter is called “broken”')
    process.exit(2)
  }
  let step = 0
  let saved = 0
  if (flag('resume') !== undefined && existsSync(metrics)) {
    const lines = readFileSync(metrics, 'utf8').split('\n').filter(Boolean)
    saved = Math.max(0, ...lines.map((line) => JSON.parse(line)).map((e) => (e.type === 'checkpoint' ? e.step : 0)))
    step = saved
    const kept = lines.filter((line) => (JSON.parse(line).step ?? Infinity) <= saved)
    writeFileSync(`${metrics}.tmp`, kept.map((line) => `${line}\n`).join(''))
    renameSync(`${metrics}.tmp`, metrics)
  } else writeFileSync(metrics, '')
  writeFileSync(
    join(folder, 'run.json'),
    JSON.stringify({
      totalSteps: total,
      startedAt: new Date().toISOString(),
      device: 'fake',
      settings: { modelPath: config.model },
      model: { folder: config.model },
    }),
  )
  const tell = (/** @type {object} */ event) => {
    appendFileSync(metrics, `${JSON.stringify(event)}\n`)
    note({ folder, event })
  }
  const save = () => {
    if (step === saved) return
    const path = `checkpoints/step-${String(step).padStart(8, '0')}`
    mkdirSync(join(folder, path), { recursive: true })
    tell({ type: 'checkpoint', step, path })
    saved = step
  }
  process.on('SIGINT', () => {
    if (config.gpu === 'stubborn') return
    save()
    process.exit(130)
  })
  const rate = config.seed || 100
  const began = Date.now()
  const first = step
  setInterval(() => {
    const due = Math.min(total, first + Math.floor(((Date.now() - began) / 1000) * rate))
    for (; step < due;) {
      step++
      tell({
        type: 'step',
        step,
        epoch: step / total,
        loss: 5 / step + (flag('resume') ? 1e-6 : 0),
        learningRate: 1e-4,
        gradNorm: 1,
        tokens: 64,
        targetTokens: 32,
        samples: 1,
        stepMs: 1000 / rate,
        deviceBytes: [1000, 2000],
      })
      if (step === config['eval-every']) tell({ type: 'eval', step, loss: 0.5, perplexity: Math.exp(0.5) })
    }
    if (step < total) return
    save()
    writeFileSync(join(folder, 'adapter_config.json'), '{}')
    writeFileSync(join(folder, 'adapter_model.safetensors'), 'weights')
    tell({ type: 'done', steps: total, seconds: 1, peakDeviceBytes: [1000, 2000] })
    process.exit(0)
  }, 10)
}

if (command === 'train') train()
else {
  const token = process.env.HF_TOKEN ?? ''
  // A careless program: what it says must not reach anyone.
  if (flag('repo-id') === 'me/fails') {
    console.error(`error: the token ${token} is not allowed to write`)
    process.exit(1)
  }
  console.log(
    JSON.stringify({ command, args, knowsToken: token !== '', password: process.env.JORA_GUI_PASSWORD ?? null }),
  )
}
