// One JORA measurement in a process of its own, as one JSON line: step time, peak memory, and the machine's GEMM rate.
//   node lora-step.mjs [--batch 2] [--seq 512] [--steps 8] [--threads 2] [--rows FILE.json] [--rank 16] [--checkpoint]
//     [--model FOLDER]: a model's folder; without it, random weights in the shape of a small Llama
//     [--dtype f32|int8] [--mesh data=1,model=2]: as many devices, of --threads threads each
// Rows may be context trees, as trees.mjs writes them: then a step has --batch samples or a few more.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { collate, planSteps } from '@jora/data'
import { openModel } from '@jora/llama'
import { dataGroups, initAdapter, initState, placeAdapter, TrainingStep } from '@jora/lora'
import { MeshDevice, parseMesh } from '@jora/shard'
import { dot, jit, setDefaultDevice, tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { stepFlops, writeModel } from './shapes.mjs'

const { values: flags } = parseArgs({
  options: {
    batch: { type: 'string', default: '2' },
    seq: { type: 'string', default: '512' },
    steps: { type: 'string', default: '8' },
    warmup: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    rank: { type: 'string', default: '16' },
    rows: { type: 'string' },
    model: { type: 'string' },
    checkpoint: { type: 'boolean', default: false },
    dtype: { type: 'string', default: 'f32' },
    mesh: { type: 'string', default: 'data=1,model=1' },
  },
})
const [batchSize, seq, steps, warmup, threads, r] = /** @type {[number, number, number, number, number, number]} */ (
  [flags.batch, flags.seq, flags.steps, flags.warmup, flags.threads, flags.rank].map(Number)
)
const folder = mkdtempSync(join(tmpdir(), 'jora-bench-'))
try {
  if (flags.model === undefined) await writeModel(folder)
  const mesh = parseMesh(flags.mesh)
  const single = mesh.size === 1
  const devices = []
  for (let i = 0; i < mesh.size; i++) devices.push(await openCpuDevice({ threads, manyPrograms: !single }))
  const device = single ? /** @type {import('@jora/tensor').Device} */ (devices[0]) : new MeshDevice(mesh, { devices })
  setDefaultDevice(device)
  const groups = dataGroups(device)
  // Plain JavaScript: Node 20 has no `await using`.
  const opened = await openModel(flags.model ?? folder, { local: true })
  const model = await opened.decoder(device, /** @type {'f32'} */ (flags.dtype))
  await opened[Symbol.asyncDispose]()
  const lora = { r, alpha: r, dropout: 0, targetModules: ['q_proj', 'v_proj'], useRslora: false }
  const stepper = new TrainingStep(
    { ...model, checkpointLayers: flags.checkpoint },
    {
      lora,
      adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
      maxGradNorm: 0,
    },
  )
  let state = initState(placeAdapter(initAdapter(model.config, lora, 1), model.config, device))

  /** Micro-batches of each step. @type {import('@jora/data').Batch[][]} */
  let batches
  /** @type {number[][]} */
  let lengths
  if (flags.rows === undefined) {
    const samples = Array.from({ length: batchSize }, (_, row) => {
      const ids = Int32Array.from({ length: seq + 1 }, (_, i) => (i * 7919 + row * 104729) % model.config.vocabSize)
      return { ids: ids.subarray(0, seq), labels: ids.subarray(0, seq), row }
    })
    // Every token is learned, the last one excepted: it has no next.
    const batch = collate(
      samples,
      samples.map((_, i) => i),
      { padId: 0, groups },
    )
    batches = Array.from({ length: steps + warmup }, () => [batch])
    lengths = batches.map(() => samples.map((s) => s.ids.length))
  } else {
    /** @type {{ ids: number[], labels: number[], branches?: import('@jora/data').PlacedBranch[] }[]} */
    const rows = JSON.parse(readFileSync(flags.rows, 'utf8'))
    const samples = rows.map(({ ids, labels, branches }, row) => ({
      ids: Int32Array.from(ids),
      labels: Int32Array.from(labels),
      row,
      ...(branches ? { branches } : {}),
    }))
    const options = { batchSize, gradientAccumulationSteps: 1, epoch: 0, seed: 1, shuffle: true, rowTokens: 2000 }
    const plan = planSteps(samples, options)
    batches = plan.map((micro) => micro.map((indices) => collate(samples, indices, { padId: 0, groups })))
    lengths = plan.map((micro) => micro.flat(2).map((i) => /** @type {{ ids: Int32Array }} */ (samples[i]).ids.length))
  }

  const times = []
  let compileMs = 0
  const shapes = new Set()
  let step = 0
  let loss = 0
  // Rows come in several shapes: a first pass compiles them all, a second is timed.
  const passes = flags.rows === undefined ? batches : [...batches, ...batches]
  for (const batch of passes) {
    const before = shapes.size
    for (const { batchSize: rows, seqLen, labelRows, packed } of batch)
      shapes.add(`${rows}x${seqLen}x${labelRows.length}x${packed?.window}`)
    const isNew = shapes.size > before
    const [begun, cpu] = [performance.now(), process.cpuUsage()]
    const result = stepper.run(state, batch, { step: ++step, learningRate: 1e-4, seed: 1 })
    state = result.state
    loss = await result.loss.item()
    const elapsed = performance.now() - begun
    if (isNew) compileMs += elapsed
    const used = process.cpuUsage(cpu)
    times.push({
      elapsed,
      cpuMs: (used.user + used.system) / 1000,
      flops: stepFlops(
        model.config,
        /** @type {number[]} */ (lengths[(step - 1) % lengths.length]),
        batch.reduce((n, { targetTokens }) => n + targetTokens, 0),
      ),
      samples: batch.reduce((n, { sampleCount }) => n + sampleCount, 0),
      tokens: batch.reduce((n, { batchSize: rows, seqLen }) => n + rows * seqLen, 0),
    })
  }
  const status = readFileSync('/proc/self/status', 'utf8')
  const peakMb = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024

  const a = tensor(new Float32Array(1024 * 1024).fill(0.5), { shape: [1024, 1024] })
  const gemm = jit((/** @type {import('@jora/tensor').Tensor} */ x) => dot(x, x))
  await gemm(a).data()
  let best = Infinity
  for (let i = 0; i < 8; i++) {
    const begun = performance.now()
    await gemm(a).buffer.device.synchronize()
    best = Math.min(best, performance.now() - begun)
  }
  const gflops = (2 * 1024 ** 3) / best / 1e6
  const timed = times.slice(flags.rows === undefined ? warmup : batches.length)
  const sorted = timed.map((t) => t.elapsed).sort((x, y) => x - y)
  const totalMs = timed.reduce((n, t) => n + t.elapsed, 0)
  const floorMs = timed.reduce((n, t) => n + t.flops, 0) / gflops / 1e6
  console.log(
    JSON.stringify({
      medianStepMs: sorted[Math.floor(sorted.length / 2)],
      minStepMs: sorted[0],
      medianCpuMs: timed.map((t) => t.cpuMs).sort((x, y) => x - y)[Math.floor(timed.length / 2)],
      coresUsed: timed.reduce((n, t) => n + t.cpuMs, 0) / totalMs,
      samplesPerSecond: (timed.reduce((n, t) => n + t.samples, 0) * 1000) / totalMs,
      computedTokens: timed.reduce((n, t) => n + t.tokens, 0),
      shapes: shapes.size,
      firstRunsMs: compileMs,
      peakMb,
      gemmGflops: gflops,
      floorStepMs: floorMs / timed.length,
      threads,
      mesh: mesh.toString(),
      loss,
    }),
  )
  await device.close()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
