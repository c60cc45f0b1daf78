// What a person sees while training: a redrawn line on a terminal, a line now and then in a log.
import type { ScoreName } from '@jora/data'
import { scoreLabels, type EvalEvent, type StepEvent, type TrainEvent } from '@jora/lora'
import type { Io } from '../io'
import { duration, percent, plural, rate, short } from './format'
import { sparkline } from './histogram'
import { bar, StatusLine, widthOf } from './status-line'
import { styleFor, type Style } from './style'

/** Steps the rates are taken over. */
const windowSteps = 20
/** A shorter one says nothing. */
const shortestBar = 8

export class TrainDisplay {
  readonly #line: StatusLine
  readonly #style: Style
  readonly #isTTY: boolean
  readonly #columns: () => number
  #totalSteps = 0
  readonly #window: StepEvent[] = []
  #lastPlain = -Infinity
  /** Of all steps shown, for their curve. */
  readonly #losses: number[] = []

  constructor({ stderr, env }: Io) {
    this.#line = new StatusLine(stderr)
    this.#style = styleFor(stderr, env)
    this.#isTTY = stderr.isTTY
    this.#columns = () => stderr.columns
  }

  log(line: string): void {
    this.#line.log(line)
  }

  /** A status line for work between the steps. */
  status(line: string): void {
    this.#line.show(line)
  }

  /** Before the first step, which compiles and takes longer. */
  begin(totalSteps: number): void {
    this.#totalSteps = totalSteps
    this.#line.show(this.#style.dim('preparing the first step …'))
  }

  show(event: TrainEvent): void {
    if (event.type === 'step') this.#step(event)
    if (event.type === 'eval') {
      const { step, loss, perplexity } = event
      this.log(
        `${this.#style.cyan('eval')}   step ${step}  held-out loss ${loss.toFixed(4)}  perplexity ${perplexity.toFixed(2)}${scoresOf(event)}`,
      )
    }
    if (event.type === 'checkpoint')
      this.log(`${this.#style.cyan('saved')}  step ${event.step}  ${this.#style.dim(event.path)}`)
    if (event.type === 'done') this.#end(event.steps)
  }

  close(): void {
    this.#line.clear()
  }

  /** Bar and curve stay on screen, where all was done. */
  #end(steps: number): void {
    this.#line.clear()
    if (!this.#isTTY || steps < this.#totalSteps || this.#losses.length < 2) return
    const [first, last] = [this.#losses[0]!, this.#losses.at(-1)!].map((loss) => loss.toFixed(4))
    const at = `${steps}/${this.#totalSteps}`
    const room = this.#columns() - 1 - widthOf(`  ${at}  loss ${first}  ${last}`)
    const drawn = room < 2 * shortestBar ? 0 : Math.min(30, Math.floor(room / 2))
    const curve = Math.min(30, room - drawn)
    const done = drawn > 0 ? `${bar(1, drawn, this.#style)}  ` : ''
    const between = curve >= shortestBar ? ` ${this.#style.cyan(sparkline(this.#losses, curve))} ` : ' → '
    this.log(`${done}${this.#style.bold(at)}  loss ${first}${between}${last}`)
  }

  #step(event: StepEvent): void {
    this.#window.push(event)
    if (this.#window.length > windowSteps) this.#window.shift()
    const { step, loss, learningRate } = event
    const { tokensPerSecond, secondsPerStep } = this.#speed()
    const left = secondsPerStep * (this.#totalSteps - step)
    const digits = String(this.#totalSteps).length
    const at = `${String(step).padStart(digits)}/${this.#totalSteps}`
    this.#losses.push(loss)
    const facts = [
      `loss ${loss.toFixed(4)}`,
      `lr ${rate(learningRate)}`,
      `${short(tokensPerSecond)} tokens/s`,
      `ETA ${duration(left)}`,
    ]
    if (!this.#isTTY) {
      const now = performance.now()
      // Every 2 s at first; in a long run no more than about two hundred lines, one a minute at the least.
      const pause = Math.min(60, Math.max(2, (left + event.step * secondsPerStep) / 200)) * 1000
      if (step < this.#totalSteps && now - this.#lastPlain < pause) return
      this.#lastPlain = now
      this.log(`step   ${at}  ${facts.join('  ')}`)
      return
    }
    const roomFor = (bare: readonly string[]) => this.#columns() - 1 - widthOf([at, ...bare].join('  ')) - 2
    // What a narrow terminal does without first, until there is room for the rest and a short bar.
    for (const least of [1, 1]) if (roomFor(facts) < shortestBar) facts.splice(least, 1)
    const room = roomFor(facts)
    const drawn = room >= shortestBar ? `${bar(step / this.#totalSteps, Math.min(30, room), this.#style)}  ` : ''
    this.#line.show([`${drawn}${this.#style.bold(at)}`, ...facts].join('  '))
  }

  #speed(): { tokensPerSecond: number; secondsPerStep: number } {
    // The first step compiles: it says nothing about the rest.
    const steps = this.#window.length > 1 && this.#window[0]!.step === 1 ? this.#window.slice(1) : this.#window
    const seconds = steps.reduce((sum, { stepMs }) => sum + stepMs, 0) / 1000
    const tokens = steps.reduce((sum, event) => sum + event.tokens, 0)
    return { tokensPerSecond: tokens / seconds, secondsPerStep: seconds / steps.length }
  }
}

/** `  exact match 42.1%  (32 answers in 12 s)`; empty where no question was answered. */
function scoresOf({ answers, answerSeconds = 0, accuracy, margin, ...event }: EvalEvent): string {
  if (accuracy !== undefined && margin !== undefined) return `  right ${percent(accuracy)}  margin ${margin.toFixed(3)}`
  if (answers === undefined) return ''
  const scores = (Object.keys(scoreLabels) as ScoreName[]).flatMap((name) => {
    const value = event[name]
    return value === undefined ? [] : [`  ${scoreLabels[name]} ${percent(value)}`]
  })
  return `${scores.join('')}  (${plural(answers, 'answer')} in ${duration(answerSeconds)})`
}
