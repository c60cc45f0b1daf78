// TensorBoard's event files: records of length, checksum, protocol buffer, checksum (tensorflow/core/util/event.proto).
import type { TrainEvent } from '../runs/events'
import { seriesOf, type RunRecord } from './record'

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
  return c >>> 0
})

/** CRC-32C, masked as TFRecord has it. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 255]!
  crc = (crc ^ 0xffffffff) >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

function record(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 16)
  const view = new DataView(out.buffer)
  view.setUint32(0, data.length, true)
  view.setUint32(8, maskedCrc(out.subarray(0, 8)), true)
  out.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc(data), true)
  return out
}

function varint(value: number): number[] {
  const out: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128)
  return [...out, value]
}
const field = (number: number, wire: 0 | 1 | 2 | 5) => varint(number * 8 + wire)
const bytes = (number: number, data: ArrayLike<number>): number[] => [
  ...field(number, 2),
  ...varint(data.length),
  ...Array.from(data),
]
const text = (number: number, value: string): number[] => bytes(number, new TextEncoder().encode(value))
const integer = (number: number, value: number): number[] => [...field(number, 0), ...varint(value)]
const float = (number: number, value: number): number[] => [
  ...field(number, 5),
  ...new Uint8Array(Float32Array.of(value).buffer),
]
const double = (number: number, value: number): number[] => [
  ...field(number, 1),
  ...new Uint8Array(Float64Array.of(value).buffer),
]

/** An Event: wall_time 1, step 2, and what it holds. */
const event = (seconds: number, step: number, holds: readonly number[]): Uint8Array =>
  record(Uint8Array.from([...double(1, seconds), ...integer(2, step), ...holds]))

/** A Summary of one scalar: tag 1, simple_value 2. */
const scalar = (tag: string, value: number): number[] => bytes(5, bytes(1, [...text(1, tag), ...float(2, value)]))

/** The version of the format, first in each file. */
const version = text(3, 'brain.Event:2')

/** A SessionLog of status START: what was read of this step and later ones is forgotten, as the run went on from there. */
const started = bytes(7, integer(1, 1))

/** A Summary of one text: metadata 9 of the plugin `text`, and a tensor 8 of strings (type 7, one dimension of 1). */
function words(tag: string, value: string): number[] {
  const metadata = bytes(1, text(1, 'text'))
  const tensor = [...integer(1, 7), ...bytes(2, bytes(2, integer(1, 1))), ...text(8, value)]
  return bytes(5, bytes(1, [...text(1, tag), ...bytes(9, metadata), ...bytes(8, tensor)]))
}

/** The name of a run's event file, as TensorBoard looks for it. */
export const eventFileName = ({ startedAt = 0 }: Pick<RunRecord, 'startedAt'>): string =>
  `events.out.tfevents.${String(Math.floor(startedAt / 1000)).padStart(10, '0')}.jora`

/** A run's settings as a table in Markdown. */
function settingsText(settings: RunRecord['settings']): string {
  const rows = Object.entries(settings)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `| ${name} | ${typeof value === 'string' ? value : JSON.stringify(value)} |`)
  return ['| setting | value |', '|---|---|', ...rows].join('\n')
}

/** Every series as scalars. @param timeOf seconds since 1970 at which a step ended */
const scalars = (run: Pick<RunRecord, 'steps' | 'evals'>, timeOf: (step: number) => number): Uint8Array[] =>
  [...seriesOf(run)].flatMap(([tag, points]) =>
    points.map(({ step, value }) => event(timeOf(step), step, scalar(tag, value))),
  )

/**
 * A run as the content of an event file: every series as scalars, and its settings as a text. Times are the start of the run
 * and its steps one after another: what a run waited is not in them.
 */
export function tensorboardEvents(run: RunRecord): Uint8Array {
  const begun = (run.startedAt ?? 0) / 1000
  const times = new Map<number, number>()
  let seconds = begun
  for (const { step, stepMs } of run.steps) times.set(step, (seconds += stepMs / 1000))
  return joined([
    event(begun, 0, version),
    event(begun, 0, words('settings/text_summary', settingsText(run.settings))),
    ...scalars(run, (step) => times.get(step) ?? begun),
  ])
}

/**
 * The beginning of a further event file, of a run that goes on after `step`. Who reads the files one after another forgets what
 * an earlier one has of that step and of later ones; what the run keeps of it is written again.
 * @param seconds since 1970
 */
export function tensorboardRestart(run: RunRecord, step: number, seconds: number): Uint8Array {
  const at = ({ step: own }: { readonly step: number }) => own >= step
  const again = { steps: run.steps.filter(at), evals: run.evals.filter(at) }
  return joined([
    event(seconds, 0, version),
    event(seconds, step, started),
    ...(step === 0 ? [event(seconds, 0, words('settings/text_summary', settingsText(run.settings)))] : []),
    ...scalars(again, () => seconds),
  ])
}

/** What an event adds to an event file; empty where it measured nothing. @param seconds since 1970 */
export function tensorboardEvent(happened: TrainEvent, seconds: number): Uint8Array {
  const steps = happened.type === 'step' ? [happened] : []
  const evals = happened.type === 'eval' ? [happened] : []
  return joined(scalars({ steps, evals }, () => seconds))
}

function joined(records: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(records.reduce((n, { length }) => n + length, 0))
  let at = 0
  for (const each of records) {
    out.set(each, at)
    at += each.length
  }
  return out
}
