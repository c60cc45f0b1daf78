// Figures for Prometheus, in its text format.
const help = {
  jora_requests_total: ['counter', 'Requests answered, by route and status.'],
  jora_request_seconds_total: ['counter', 'Seconds from a request to the end of its answer, by route.'],
  jora_tokens_total: ['counter', 'Tokens, by model and kind (prompt, completion).'],
  jora_requests_in_work: ['gauge', 'Requests in work, waiting ones included.'],
}
const label = (value) => value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))
export class Metrics {
  #values = new Map()
  add(metric, labels, value = 1) {
    const written = Object.entries(labels).map(([key, text]) => `${key}="${label(text)}"`)
    const key = `${metric}{${written.join(',')}}`
    this.#values.set(key, { metric, value: (this.#values.get(key)?.value ?? 0) + value })
  }
  /** Everything so far, and how many requests are in work. */
  text(inWork) {
    const lines = []
    for (const [metric, [type, about]] of Object.entries(help)) {
      lines.push(`# HELP ${metric} ${about}`, `# TYPE ${metric} ${type}`)
      for (const [key, entry] of this.#values) if (entry.metric === metric) lines.push(`${key} ${entry.value}`)
    }
    return `${lines.join('\n')}\njora_requests_in_work ${inWork}\n`
  }
}
