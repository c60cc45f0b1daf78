// Zip archives and PDFs made for tests, as small as their formats allow.

import { crc32, deflateRawSync } from 'node:zlib'

export interface Archived {
  /** Set the bit that says so. */
  encrypted?: true
}

const header = (fields: readonly (readonly [size: 2 | 4, value: number])[]): Buffer => {
  const bytes = Buffer.alloc(fields.reduce((n, [size]) => n + size, 0))
  let at = 0
  for (const [size, value] of fields) at = size === 2 ? bytes.writeUInt16LE(value, at) : bytes.writeUInt32LE(value, at)
  return bytes
}

/** A zip archive of these files, packed. */
export function zipOf(files: Readonly<Record<string, string | Buffer>>, { encrypted }: Archived = {}): Buffer {
  const [bodies, directory]: [Buffer[], Buffer[]] = [[], []]
  let at = 0
  for (const [name, content] of Object.entries(files)) {
    const source = Buffer.from(content)
    const packed = deflateRawSync(source)
    const named = Buffer.from(name)
    const common: (readonly [2 | 4, number])[] = [
      [2, 20],
      [2, encrypted ? 1 : 0],
      [2, 8],
      [4, 0],
      [4, typeof crc32 === 'function' ? crc32(source) : 0],
      [4, packed.length],
      [4, source.length],
      [2, named.length],
      [2, 0],
    ]
    const local = Buffer.concat([header([[4, 0x04034b50], ...common]), named, packed])
    directory.push(header([[4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]]), named)
    bodies.push(local)
    at += local.length
  }
  const central = Buffer.concat(directory)
  const count = Object.keys(files).length
  const end = header([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, count],
    [2, count],
    [4, central.length],
    [4, at],
    [2, 0],
  ])
  return Buffer.concat([...bodies, central, end])
}

/** Text at a place of a page, in points from the lower left corner of 612 × 792. */
export interface Placed {
  text: string
  x: number
  y: number
  size?: number
  /** In Courier. */
  fixed?: true
}

/** A PDF of these pages, in Helvetica. */
export function pdfOf(pages: readonly (readonly Placed[])[]): Buffer {
  const objects: string[] = []
  const add = (body: string): number => objects.push(body)
  const fonts = ['Helvetica', 'Courier'].map((name) =>
    add(`<< /Type /Font /Subtype /Type1 /BaseFont /${name} /Encoding /WinAnsiEncoding >>`),
  )
  const tree = objects.length + 2 * pages.length + 1
  const kids = pages.map((placed) => {
    const drawn = placed
      .map(({ text, x, y, size = 10, fixed }) => {
        const escaped = text.replace(/[\\()]/g, '\\$&')
        return `BT /F${fixed ? 1 : 0} ${size} Tf 1 0 0 1 ${x} ${y} Tm (${escaped}) Tj ET`
      })
      .join('\n')
    const content = add(`<< /Length ${Buffer.byteLength(drawn, 'latin1')} >>\nstream\n${drawn}\nendstream`)
    return add(
      `<< /Type /Page /Parent ${tree} 0 R /MediaBox [0 0 612 792] /Contents ${content} 0 R /Resources << /Font << /F0 ${fonts[0]} 0 R /F1 ${fonts[1]} 0 R >> >> >>`,
    )
  })
  add(`<< /Type /Pages /Count ${pages.length} /Kids [${kids.map((n) => `${n} 0 R`).join(' ')}] >>`)
  const root = add(`<< /Type /Catalog /Pages ${tree} 0 R >>`)
  let file = '%PDF-1.4\n'
  const offsets = objects.map((body, i) => {
    const at = Buffer.byteLength(file, 'latin1')
    file += `${i + 1} 0 obj\n${body}\nendobj\n`
    return at
  })
  const start = Buffer.byteLength(file, 'latin1')
  const table = offsets.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('')
  file += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1} /Root ${root} 0 R >>\nstartxref\n${start}\n%%EOF\n`
  return Buffer.from(file, 'latin1')
}

/** A paragraph of lines one below the other. */
export const lines = (texts: readonly string[], x: number, y: number, leading = 12): Placed[] =>
  texts.map((text, i) => ({ text, x, y: y - i * leading }))

/** All that an iterable gives. */
export async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
