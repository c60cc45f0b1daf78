// pdf.js, loaded when the first PDF comes, for its text alone.

import type * as PdfJsModule from 'pdfjs-dist'
import type { PDFDocumentProxy } from 'pdfjs-dist'
import { DatasetError } from '../../errors'

type PdfJs = Pick<typeof PdfJsModule, 'getDocument'>
export type PdfDocument = PDFDocumentProxy

let loading: Promise<PdfJs> | undefined

/** Drawing asks for these where the module is loaded, and Node has none; nothing here draws. */
const drawing = ['DOMMatrix', 'ImageData', 'Path2D'] as const

async function loadPdfJs(): Promise<PdfJs> {
  const world = globalThis as Record<string, unknown>
  for (const name of drawing) world[name] ??= class {}
  const { warn } = console
  // It tells the console that it has nothing to draw with.
  console.warn = () => {}
  try {
    const [library, worker] = await Promise.all([
      import('pdfjs-dist/legacy/build/pdf.mjs') as unknown as Promise<PdfJs>,
      // On this thread: a page's bundler need not know of a worker's file.
      // @ts-expect-error It has no types of its own.
      import('pdfjs-dist/legacy/build/pdf.worker.mjs') as Promise<unknown>,
    ])
    world.pdfjsWorker ??= worker
    return library
  } finally {
    console.warn = warn
  }
}

/** Tables of characters for Chinese, Japanese and Korean, where they are beside the module. */
function characterMaps(): string | undefined {
  try {
    const { pathname, protocol } = new URL('../../cmaps/', import.meta.resolve('pdfjs-dist/legacy/build/pdf.mjs'))
    return protocol === 'file:' ? decodeURIComponent(pathname).replace(/^\/(?=[A-Z]:)/i, '') : undefined
  } catch {
    return undefined
  }
}

/** @throws DatasetError when it is encrypted, no PDF, or the library is not installed */
export async function openPdf(bytes: Uint8Array, file: string): Promise<PdfDocument> {
  loading ??= loadPdfJs()
  const { getDocument } = await loading.catch((error: Error) => {
    loading = undefined
    throw new DatasetError({
      file,
      problem: `PDF is read by pdfjs-dist, which is not installed: npm install pdfjs-dist@5.5.207 (${error.message})`,
    })
  })
  const maps = characterMaps()
  try {
    return await getDocument({
      data: bytes,
      verbosity: 0,
      isEvalSupported: false,
      disableFontFace: true,
      useSystemFonts: false,
      ...(maps === undefined ? {} : { cMapUrl: maps, cMapPacked: true }),
    }).promise
  } catch (error) {
    const { name, message } = error as Error
    if (name === 'PasswordException')
      throw new DatasetError({ file, problem: 'is encrypted with a password; save it without one' })
    throw new DatasetError({ file, problem: `is not a PDF that can be read: ${message.replace(/\.$/, '')}` })
  }
}
