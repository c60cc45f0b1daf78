// The compiled training step: loss and gradients of the adapter, accumulation, clipping and AdamW.
import {
  add,
  clipFactor,
  defaultDevice,
  disposeTree,
  firstNonFinite,
  globalNorm,
  jit,
  keyWords,
  logicalAnd,
  lt,
  mul,
  movingAverage,
  numberAt,
  optimizers,
  sum,
  tensor,
  treeMap,
  valueAndGrad,
  where,
  zeros,
  type Device,
  type Jitted,
  type NonFinite,
  type OptimizerConfig,
  type OptimizerName,
  type Slots,
  type StepPlace,
  type Tensor,
} from '@jora/tensor'
import { tokenLosses, type Decoder } from '@jora/llama'
import type { Batch } from '@jora/data'
import { devicePut } from '@jora/shard'
import { joinTrained, splitTrained, type Adapter, type FrozenParts } from '../../adapter/adapter'
import { withAdapter } from '../../adapter/apply'
import { lossInputs, uploadBatch, type DeviceBatch } from '../device-batch'
import { eachLayer } from './each-layer'
import type { LoraConfig } from '../../settings/lora-config'
import { neftune } from './neftune'
import { preferenceBatch, uploadAnswers, type AnswerBatch } from '../objectives/answers'
import type { Preference } from '../objectives/objective'
import { batchSharding } from '../on-mesh'
import { mapState, type TrainState } from './train-state'

/** What is the same for all steps of a run. */
export interface StepConfig {
  readonly lora: LoraConfig
  /** The constants of the optimiser, AdamW or another. */
  readonly adamw: OptimizerConfig
  /** AdamW when absent. */
  readonly optimizer?: OptimizerName | undefined
  /** Decay of the moving average of the adapter; absent: there is none. */
  readonly emaDecay?: number | undefined
  /** NEFTune's alpha; absent: no noise. */
  readonly neftuneAlpha?: number | undefined
  /** 0: no clipping. */
  readonly maxGradNorm: number
  /** Steps of one batch go the way of those of several, where a run has both: a shape is one program then. */
  readonly sumsBatches?: boolean | undefined
  /** How preferences are learned; absent: answers are. */
  readonly preference?: PreferenceConfig | undefined
}

/** How a run learns preferences. */
export interface PreferenceConfig {
  readonly rule: Preference
  readonly beta: number
  /** Samples of the batch that has the most: all are filled up to as many, so that a shape is one program. */
  readonly mostSamples: number
}

/** Programs of so many shapes are kept; the one longest unused gives its memory back first. */
const mostPrograms = 4

/** The state after a step, and its two figures, which are read only when they are needed. */
export interface StepResult {
  readonly state: TrainState
  /** f32 `[]`: the mean over the labelled tokens of the whole step, in nats; of preferences the mean over them. */
  readonly loss: Tensor
  /** f32 `[]`: the global norm of the gradient before clipping. */
  readonly gradNorm: Tensor
}

type TrainingBatch = DeviceBatch &
  Partial<Pick<AnswerBatch, 'members' | 'signs'>> & {
    /** A dropout key for each row, u32 `[batch, 2]`. */
    readonly keys: Tensor
  }
/** Where in its run a step is, with the run's seed. */
type RunPlace = StepPlace & { readonly seed: number }

/** What programs are compiled for, of a batch. */
const shapeOf = ({ batchSize, seqLen, labels, packed }: Batch): string =>
  [batchSize, seqLen, labels.length, packed?.window].join(' ')

type Sums = { readonly loss: Tensor; readonly grads: Adapter }

/** Below the largest f32, above every loss and norm that training goes on from. */
const largest = 3e38

/** The state before the first step: the adapter, with the optimiser's slots as they begin; AdamW's are zero moments. */
export const initState = (
  adapter: Adapter,
  {
    optimizer = 'adamw',
    emaDecay,
    adamw,
  }: Pick<StepConfig, 'optimizer' | 'emaDecay'> & Partial<Pick<StepConfig, 'adamw'>> = {},
): TrainState => {
  const make = jit((a: Adapter) => ({
    ...optimizers[optimizer].init(a, adamw),
    ...(emaDecay !== undefined && { ema: treeMap((p) => zeros(p.shape), a) }),
  }))
  const state = { adapter, ...make(splitTrained(adapter).trained) }
  make.dispose()
  return state
}

/** Takes optimiser steps over micro-batches. Its programs are compiled once for each shape of a batch. */
export class TrainingStep {
  readonly #device: Device
  readonly #config: StepConfig
  readonly #single
  readonly #accumulate
  readonly #apply
  readonly #zero
  readonly #gradients
  #evaluated: Jitted<[Adapter, Slots], Adapter> | undefined
  /** Shapes of batches that have their program. */
  readonly #shapes = new Set<string>()

  constructor(decoder: Decoder, config: StepConfig, device: Device = defaultDevice()) {
    this.#device = device
    this.#config = config
    const { neftuneAlpha } = config
    const lossSum = (trained: Adapter, frozen: FrozenParts, { keys, ...batch }: TrainingBatch): Tensor => {
      const noisy = neftuneAlpha === undefined ? decoder : { ...decoder, embedded: neftune(neftuneAlpha, keys) }
      const dropoutKeys = config.lora.dropout > 0 ? keys : undefined
      const policy = withAdapter(noisy, joinTrained(trained, frozen), config.lora, dropoutKeys)
      const { members, signs, ...inputs } = batch
      if (!config.preference || !members || !signs) return sum(tokenLosses(policy, ...lossInputs(inputs)))
      const { rule, beta } = config.preference
      return rule.loss(preferenceBatch(rule, policy, decoder, { ...inputs, members, signs }), beta)
    }
    const optimizer = optimizers[config.optimizer ?? 'adamw']
    /** `inverse` is 1 / labelled tokens of the step. */
    const update = (
      state: TrainState,
      { loss, grads }: Sums,
      numbers: Tensor,
      inverse: Tensor,
    ): StepResult & { state: TrainState } => {
      const meanLoss = mul(loss, inverse)
      const gradNorm = mul(globalNorm(grads), inverse)
      const factor = config.maxGradNorm === 0 ? inverse : mul(inverse, clipFactor(gradNorm, config.maxGradNorm))
      // Neither NaN nor ∞ is below: such a step leaves everything as it was.
      const finite = logicalAnd(lt(gradNorm, largest), lt(meanLoss, largest))
      const updated = (before: TrainState, sums: Adapter): TrainState => {
        const { adapter, ema, ...slots } = before
        const mean = treeMap((g) => mul(g, factor), sums)
        const next = optimizer.update(adapter, mean, slots, numbers, config.adamw)
        const after: TrainState = {
          adapter: next.params,
          ...(next.slots as Omit<TrainState, 'adapter'>),
          ...(ema && { ema: movingAverage(ema, next.params, numberAt(numbers, numbers.size - 1)) }),
        }
        return mapState(after, (tree, name) => treeMap((value, old) => where(finite, value, old), tree, before[name]!))
      }
      return { state: eachLayer(state, grads, updated), loss: meanLoss, gradNorm }
    }
    const gradients = (adapter: Adapter, frozen: FrozenParts, batch: TrainingBatch): Sums => {
      const [loss, grads] = valueAndGrad((a: Adapter) => lossSum(a, frozen, batch))(adapter)
      return { loss, grads }
    }
    this.#gradients = gradients
    this.#single = jit(
      (state: TrainState, batch: TrainingBatch, numbers: Tensor, inverse: Tensor, frozen: FrozenParts) => {
        const sums = gradients(state.adapter, frozen, batch)
        const { state: next, loss, gradNorm } = update(state, sums, numbers, inverse)
        return { state: next, loss, gradNorm }
      },
      { donate: [0, 1, 2, 3], maxPrograms: mostPrograms },
    )
    this.#accumulate = jit(
      (sums: Sums, adapter: Adapter, batch: TrainingBatch, frozen: FrozenParts) =>
        treeMap((sum, next) => add(sum, next), sums, gradients(adapter, frozen, batch)),
      { donate: [0, 2], maxPrograms: mostPrograms },
    )
    this.#apply = jit(
      (state: TrainState, sums: Sums, numbers: Tensor, inverse: Tensor) => {
        const { state: next, loss, gradNorm } = update(state, sums, numbers, inverse)
        return { state: next, loss, gradNorm }
      },
      { donate: [0, 1, 2, 3] },
    )
    this.#zero = jit((adapter: Adapter) => ({ loss: zeros([]), grads: treeMap((p) => zeros(p.shape), adapter) }))
  }

  #upload(data: Float32Array | Uint32Array, shape: readonly number[]): Tensor {
    return tensor(data, { shape, device: this.#device })
  }

  /**
   * The step's micro-batches, each uploaded when it is asked for. A row's dropout key is made of its number among the
   * step's rows: how these are cut into batches, and what pads a batch, leaves the masks as they are.
   */
  *#uploads(
    batches: readonly Batch[],
    { seed, step }: Pick<RunPlace, 'seed' | 'step'>,
  ): Generator<TrainingBatch, undefined> {
    let first = 0
    for (const batch of batches) {
      const words = Array.from({ length: batch.batchSize }, (_, row) => keyWords(seed, step, first + row))
      const shape = [batch.batchSize, 2]
      const keys = devicePut(Uint32Array.from(words.flat()), this.#device, batchSharding, { shape, dtype: 'u32' })
      const { preference } = this.#config
      yield {
        ...uploadBatch(batch, this.#device),
        keys,
        ...(preference && uploadAnswers(batch, preference.mostSamples, this.#device)),
      }
      first += batch.rowCount
    }
    return undefined
  }

  /**
   * One optimiser step over `batches` (its micro-steps). Consumes `state`. Returns at once; reading the loss waits for
   * the step. Where loss or gradient are not finite, the new state equals the old one.
   */
  run(state: TrainState, batches: readonly Batch[], place: RunPlace): StepResult {
    for (const batch of batches) this.#shapes.add(shapeOf(batch))
    const { changing, frozen, numbers, inverse } = this.#arguments(state, batches, place)
    const uploads = this.#uploads(batches, place)
    const whole = ({ state: next, ...rest }: StepResult): StepResult => ({
      ...rest,
      state: { ...next, adapter: joinTrained(next.adapter, frozen) },
    })
    if (this.#takesOne(batches)) return whole(this.#single(changing, uploads.next().value!, numbers, inverse, frozen))
    let sums: Sums = this.#zero(changing.adapter)
    for (const batch of uploads) sums = this.#accumulate(sums, changing.adapter, batch, frozen)
    return whole(this.#apply(changing, sums, numbers, inverse))
  }

  /** Whether such a step is one program. */
  #takesOne(batches: readonly Batch[]): boolean {
    return batches.length === 1 && !this.#config.sumsBatches
  }

  /** What a step's programs take beside its batches. */
  #arguments(state: TrainState, batches: readonly Batch[], { seed: _seed, ...place }: RunPlace) {
    const { optimizer = 'adamw', adamw, emaDecay, preference } = this.#config
    // What the loss is a mean of: labelled tokens, or preferences.
    const targets = batches.reduce((n, b) => n + (preference ? b.samples.length : b.targetTokens), 0)
    const average = emaDecay === undefined ? [] : [place.step === 1 ? 0 : emaDecay]
    const values = Float32Array.from([...optimizers[optimizer].numbers(place, adamw), ...average])
    const { trained, frozen } = splitTrained(state.adapter)
    const changing: TrainState = { ...state, adapter: trained }
    const [numbers, inverse] = [this.#upload(values, [values.length]), this.#upload(Float32Array.of(1 / targets), [])]
    return { changing, frozen, numbers, inverse }
  }

  /**
   * Compiles for the shapes of these batches, where that was not done: while the device computes an earlier step, say, whose
   * place will do.
   */
  prepare(state: TrainState, batches: readonly Batch[], place: RunPlace): void {
    const fresh = new Map(batches.map((batch) => [shapeOf(batch), batch]))
    for (const shape of fresh.keys()) if (this.#shapes.has(shape)) fresh.delete(shape)
    if (fresh.size === 0) return
    for (const shape of fresh.keys()) this.#shapes.add(shape)
    const { changing, frozen, numbers, inverse } = this.#arguments(state, batches, place)
    const sums = this.#takesOne(batches) ? undefined : this.#zero(changing.adapter)
    for (const batch of this.#uploads([...fresh.values()], place)) {
      const ready = sums
        ? this.#accumulate.compile(sums, changing.adapter, batch, frozen)
        : this.#single.compile(changing, batch, numbers, inverse, frozen)
      ready.catch(() => {}) // told by the step that runs it
      disposeTree(batch)
    }
    disposeTree([numbers, inverse])
    if (sums) disposeTree(sums)
  }

  /**
   * The adapter to evaluate and to keep: the moving average, the point that the optimiser evaluates, or else the state's
   * own, whose tensors the result may have.
   */
  evaluated(state: TrainState): Adapter {
    const { optimizer = 'adamw', adamw } = this.#config
    const { trained, frozen } = splitTrained(state.adapter)
    if (state.ema) return joinTrained(state.ema, frozen)
    if (!optimizers[optimizer].evaluated) return state.adapter
    this.#evaluated ??= jit((params: Adapter, slots: Slots) => optimizers[optimizer].evaluated!(params, slots, adamw))
    const { adapter: _adapter, ...slots } = state
    return joinTrained(this.#evaluated(trained, slots), frozen)
  }

  /** Where loss or gradient of such a step stop being finite, computed op by op; undefined when they do not. */
  async firstNonFinite(
    adapter: Adapter,
    batches: readonly Batch[],
    { step, seed }: { step: number; seed: number },
  ): Promise<NonFinite | undefined> {
    const { trained, frozen } = splitTrained(adapter)
    for (const inputs of this.#uploads(batches, { seed, step })) {
      const losses = (a: Adapter, f: FrozenParts, b: TrainingBatch) => {
        const sums = this.#gradients(a, f, b)
        return { ...sums, norm: globalNorm(sums.grads) }
      }
      const found = await firstNonFinite(losses, [trained, frozen, inputs])
      disposeTree(inputs)
      if (found) return found
    }
    return undefined
  }

  /** Programs with the model in them that were compiled so far. */
  get compiled(): number {
    return this.#single.compiled + this.#accumulate.compiled
  }

  /** Releases the compiled programs. */
  dispose(): void {
    for (const program of [this.#single, this.#accumulate, this.#apply, this.#zero, this.#evaluated]) program?.dispose()
  }
}
