// The body of a request as a file, which appears when all of it is there.
import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Failure } from '../server/failure'

/** @returns its bytes. @throws Failure when it is larger than `limitBytes`; nothing of it stays then */
export async function receive(request: Request, target: string, limitBytes: number): Promise<number> {
  const name = basename(target)
  const tooLarge = () =>
    new Failure('too_large', `${name} is larger than the ${Math.round(limitBytes / 1e6)} MB that may be sent.`)
  if (Number(request.headers.get('content-length') ?? 0) > limitBytes) throw tooLarge()
  const partial = join(dirname(target), `.${createHash('sha256').update(name).digest('hex').slice(0, 16)}.part`)
  const file = await open(partial, 'w', 0o600)
  let bytes = 0
  try {
    const reader = request.body?.getReader()
    for (let next = await reader?.read(); next?.value; next = await reader?.read()) {
      bytes += next.value.byteLength
      if (bytes > limitBytes) throw tooLarge()
      await file.write(next.value)
    }
    await file.close()
    await rm(target, { force: true })
    await rename(partial, target)
    return bytes
  } catch (error) {
    await file.close().catch(() => {})
    await rm(partial, { force: true })
    throw error
  }
}
