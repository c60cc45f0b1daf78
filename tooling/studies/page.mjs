// What a page of results is made of.
import { cpus, totalmem } from 'node:os'

/** A score in percent with its 95 % interval. @param {import('@jora/data').Estimate | undefined} estimate */
export const percent = (estimate) =>
  estimate === undefined
    ? ''
    : `${(100 * estimate.mean).toFixed(1)} (${(100 * estimate.low).toFixed(1)}–${(100 * estimate.high).toFixed(1)})`

/** @param {number} value @param {number} [digits] */
export const figure = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : '')

/** Minutes; nothing where the time is not known. @param {number} seconds */
export const minutes = (seconds) => (seconds > 0 ? `${(seconds / 60).toFixed(1)} min` : '')

/** Megabytes; nothing where they could not be measured. @param {number} value */
export const megabytes = (value) => (value > 0 ? `${Math.round(value).toLocaleString('en')} MB` : '')

/** @param {number} count */
export const epochsOf = (count) => `${count} epoch${count === 1 ? '' : 's'}`

/** A table in Markdown. @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
export const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

/**
 * A whole page.
 * @param {{ title: string, about: string, command: string, model: string, versions: string, body: string }} parts
 */
export const page = ({ title, about, command, model, versions, body }) => `# ${title}

${about}

Written by \`${command}\`, ${new Date().toISOString().slice(0, 10)}. Model: \`${model}\`. ${machine()};
${versions}.
Scores are percent, with the 95 % interval of 1,000 bootstrap samples; as SQuAD has it, an exact match may differ in case, punctuation
and articles. Times are of this machine, and include what else it did; processor time is that of all cores, starting and compiling
included; memory is the most that all processes held together (PSS); both are left out of a run that was stopped and gone on with.

${body.trim()}
`

/** What it ran on. */
const machine = () =>
  `${cpus()[0]?.model.trim() ?? 'an unknown processor'}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`
