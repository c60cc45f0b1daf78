// Weights of programs in parts, as their files have them: in memory once for all programs. Plain JavaScript, as the worker that reads
// them.
import { readSync } from 'node:fs'

/** Fills `bytes` from a file. @param {{ readonly path: string, readonly descriptor: number }} file @param {Uint8Array} bytes @param {number} start */
export function readFrom({ path, descriptor }, bytes, start) {
  for (let at = 0; at < bytes.length;) {
    const count = readSync(descriptor, bytes, at, Math.min(bytes.length - at, 2 ** 30), start + at)
    if (count === 0) throw new Error(`${path} ended at ${start + at}, expected ${bytes.length} bytes from ${start}`)
    at += count
  }
}

/** @typedef {import('./quantised/unpacked').HeldFile} HeldFile */

/** Where the weight is that a part reads, if it is in a file. @param {import('./parts').Source<number, HeldFile>} from @returns {readonly HeldFile[]} */
export function filesOf(from) {
  if ('stored' in from) return [from.stored.file]
  return 'weight' in from && 'file' in from.weight ? [from.weight.file] : []
}

/** By where they are: a descriptor stands for one file as long as a program holds it. @type {Map<string, { readonly bytes: Uint8Array, users: number }>} */
const held = new Map()

/** @param {HeldFile} file */
const keyOf = ({ descriptor, offset }) => `${descriptor}:${offset}`

/** The bytes of a weight that {@link hold} has read. @param {HeldFile} file */
export const heldBytes = (file) => /** @type {Uint8Array} */ (held.get(keyOf(file))?.bytes)

/**
 * Reads weights for a program, those that no other has read before it.
 * @param {readonly HeldFile[]} files
 * @returns what lets go of them
 */
export function hold(files) {
  const own = new Set()
  const release = () => {
    for (const key of own) {
      const weight = held.get(key)
      if (weight && --weight.users === 0) held.delete(key)
    }
    own.clear()
  }
  try {
    for (const file of files) {
      const key = keyOf(file)
      if (own.has(key)) continue
      const weight = held.get(key) ?? { bytes: new Uint8Array(file.length), users: 0 }
      if (weight.users === 0) readFrom(file, weight.bytes, file.offset)
      weight.users++
      held.set(key, weight)
      own.add(key)
    }
  } catch (error) {
    release()
    throw error
  }
  return release
}
