// Figures for Prometheus, in its text format.

const help = {
  jora_requests_total: ['counter', 'Requests answered, by route and status.'],
  jora_request_seconds_total: ['counter', 'Seconds from a request to the end of its answer, by route.'],
  jora_tokens_total: ['counter', 'Tokens, by model and kind (prompt, completion).'],
  jora_requests_in_work: ['gauge', 'Requests in work, waiting ones included.'],
  jora_programs: ['gauge', 'Compiled programs that are kept.'],
  jora_programs_compiled_total: [
    'counter',
    'Programs that were ever compiled: it stops growing once all sizes were met.',
  ],
} as const
type Metric = keyof typeof help

const label = (value: string): string => value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))

export class Metrics {
  readonly #values = new Map<string, { metric: Metric; value: number }>()

  add(metric: Metric, labels: Readonly<Record<string, string>>, value = 1): void {
    const written = Object.entries(labels).map(([key, text]) => `${key}="${label(text)}"`)
    const key = `${metric}{${written.join(',')}}`
    this.#values.set(key, { metric, value: (this.#values.get(key)?.value ?? 0) + value })
  }

  /** A figure that has no labels. */
  set(metric: Metric, value: number): void {
    this.#values.set(metric, { metric, value })
  }

  /** Everything so far. */
  text(): string {
    const lines: string[] = []
    for (const [metric, [type, about]] of Object.entries(help)) {
      lines.push(`# HELP ${metric} ${about}`, `# TYPE ${metric} ${type}`)
      for (const [key, entry] of this.#values) if (entry.metric === metric) lines.push(`${key} ${entry.value}`)
    }
    return `${lines.join('\n')}\n`
  }
}
