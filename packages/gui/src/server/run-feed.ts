// What one run tells, as a stream: every line of metrics.jsonl from a position on, and the run's state.
import type { ManagedRun } from '../runs/managed-run'
import { idAt, positionOf, type HeldMetrics, type MetricsFiles } from '../runs/metrics-file'
import type { RunManager } from '../runs/run-manager'
import { message, type Feed } from './streams'

/** Lines that are sent at once. */
const batch = 500

export class RunFeed implements Feed {
  ended = false
  readonly #run: ManagedRun
  readonly #metrics: HeldMetrics
  readonly #releases: (() => void)[] = []
  #position: number
  /** To be told before the lines behind it. */
  #rewound: number | undefined
  #isFirst = true
  #hasNews = false
  #removed = false
  #wake = () => {}

  private constructor(run: ManagedRun, runs: RunManager, metrics: HeldMetrics, from: string) {
    this.#run = run
    this.#metrics = metrics
    const position = positionOf(metrics.lines, from)
    this.#position = position ?? 0
    if (position === undefined) this.#rewound = 0
    this.#releases.push(
      metrics.onChange((kept) => {
        if (kept < this.#position) {
          this.#rewound = Math.min(kept, this.#rewound ?? kept)
          this.#position = kept
        }
        this.#wake()
      }),
      runs.onChange((change) => {
        if (change.event === 'run' ? change.run.id !== run.id : change.id !== run.id) return
        if (change.event === 'removed') this.#removed = true
        // A state is told behind the lines that led to it: after the end, readers leave.
        else return void metrics.refresh().then(() => this.#noteState())
        this.#wake()
      }),
      () => metrics.release(),
    )
  }

  #noteState(): void {
    this.#hasNews = true
    this.#wake()
  }

  /** @param from id of the last event that is known, `0` for none */
  static async open(run: ManagedRun, runs: RunManager, files: MetricsFiles, from: string): Promise<RunFeed> {
    return new RunFeed(run, runs, await files.hold(run.metricsPath), from)
  }

  take(): string {
    let text = this.#isFirst ? this.#state() : ''
    this.#isFirst = false
    if (this.#rewound !== undefined) {
      text += message('rewind', `{"position":${this.#rewound}}`, idAt(this.#metrics.lines, this.#position))
      this.#rewound = undefined
    }
    const { lines } = this.#metrics
    const end = Math.min(lines.length, this.#position + batch)
    for (; this.#position < end; this.#position++) {
      const data = `{"position":${this.#position},"metric":${lines[this.#position]}}`
      text += message('metric', data, idAt(lines, this.#position + 1))
    }
    if (this.#hasNews && end === lines.length) {
      text += this.#state()
      this.#hasNews = false
    }
    if (this.#removed) {
      text += message('removed', JSON.stringify({ id: this.#run.id }))
      this.#removed = false
      this.ended = true
    }
    return text
  }

  #state(): string {
    return message('run', JSON.stringify({ run: this.#run.toRun() }))
  }

  onReady(wake: () => void): () => void {
    this.#wake = wake
    return () => (this.#wake = () => {})
  }

  close(): void {
    for (const release of this.#releases) release()
  }
}
