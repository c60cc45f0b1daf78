// A run as one HTML page without scripts or links, to be sent to somebody: curves, figures, settings.
import { seriesOf, type Point, type RunRecord } from './record'

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const shown = (value: number): string =>
  value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)
    ? value.toExponential(2)
    : String(Number(value.toFixed(4)))

const [width, height, left, bottom] = [720, 240, 56, 24]

/** Curves over the steps in one picture, the first drawn as a line, further ones with their points. */
function chart(title: string, curves: readonly (readonly [name: string, points: readonly Point[]])[]): string {
  const all = curves.flatMap(([, points]) => points)
  if (all.length === 0) return ''
  const [low, high] = [Math.min(...all.map(({ value }) => value)), Math.max(...all.map(({ value }) => value))]
  const last = Math.max(...all.map(({ step }) => step), 1)
  const x = (step: number) => left + ((width - left - 8) * step) / last
  const y = (value: number) => 8 + (height - bottom - 16) * (high === low ? 0.5 : (high - value) / (high - low))
  const colours = ['#2f6fde', '#d9622b', '#2b9a66', '#8a4fd3', '#b8860b', '#c2385a', '#5a6b7b']
  const lines = curves.map(([name, points], i) => {
    const colour = colours[i % colours.length]!
    const path = points.map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
    const dots =
      i === 0
        ? ''
        : points
            .map(
              ({ step, value }) =>
                `<circle cx="${x(step).toFixed(1)}" cy="${y(value).toFixed(1)}" r="3" fill="${colour}"/>`,
            )
            .join('')
    const key = `<text x="${left + 8 + 150 * i}" y="${height - 6}" fill="${colour}">${escaped(name)}</text>`
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>${dots}${key}`
  })
  return `<h2>${escaped(title)}</h2>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
<text x="${left - 6}" y="14" text-anchor="end">${shown(high)}</text><text x="${left - 6}" y="${height - bottom - 4}" text-anchor="end">${shown(low)}</text>
<text x="${width - 8}" y="${height - 6}" text-anchor="end">step ${last}</text>
${lines.join('\n')}
</svg>`
}

const rows = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`).join('\n')

/** The page of a run. */
export function runHtml(run: RunRecord): string {
  const series = seriesOf(run)
  const points = (name: string) => series.get(name) ?? []
  const { state, step, best, error } = run.snapshot
  const seconds = run.steps.reduce((sum, { stepMs }) => sum + stepMs, 0) / 1000
  const scores = [...series.entries()].filter(
    ([name]) => name.startsWith('eval/') && !/loss|perplexity|answer|margin/.test(name),
  )
  const last = run.evals.at(-1)
  const facts: (readonly [string, string])[] = [
    ['state', error === null ? state : `${state}: ${error}`],
    ['steps', `${step}${run.totalSteps === undefined ? '' : ` of ${run.totalSteps}`}`],
    ['seconds in steps', seconds.toFixed(1)],
    ...(run.startedAt === undefined ? [] : [['started', new Date(run.startedAt).toISOString()] as const]),
    ...(best === null ? [] : [['lowest held-out loss', `${shown(best.loss)} at step ${best.step}`] as const]),
    ...Object.entries(last ?? {})
      .filter(([name, value]) => typeof value === 'number' && name !== 'step')
      .map(([name, value]) => [`last evaluation: ${name}`, shown(value as number)] as const),
  ]
  const settings = Object.entries(run.settings)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const)
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(run.name)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2rem auto; padding: 0 1rem; color: #1c232b }
svg { width: 100%; background: #f6f8fa; border-radius: 6px } svg text { font-size: 11px; fill: currentColor }
table { border-collapse: collapse; width: 100% } th { text-align: left; font-weight: 500; width: 40% }
th, td { padding: 2px 8px; border-bottom: 1px solid #e3e8ed; vertical-align: top; overflow-wrap: anywhere }
</style></head><body>
<h1>${escaped(run.name)}</h1>
<table>
${rows(facts)}
</table>
${chart('Loss', [
  ['train', points('train/loss')],
  ['held out', points('eval/loss')],
])}
${chart(
  'Scores of held-out answers',
  scores.map(([name, values]) => [name.slice(5), values] as const),
)}
${chart('Learning rate', [['rate', points('train/learning_rate')]])}
<h2>Settings</h2>
<table>
${rows(settings)}
</table>
</body></html>
`
}
