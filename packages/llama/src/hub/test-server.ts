// A small Hugging Face Hub on localhost for tests: model info, tree, resolve with a storage host behind it, Xet.

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TestRepo {
  commit: string
  /** Other branches, by name. */
  branches?: Record<string, TestRepo>
  files: Record<string, string | Uint8Array>
  /** Files kept in the storage host, reached by a redirect, and named by their SHA-256. */
  lfs?: string[]
  /** Files offered through Xet. */
  xet?: string[]
  /** Token needed to read files; the listing stays public, as the Hub's does. */
  gatedToken?: string
}

export interface TestRequest {
  method: string
  path: string
  host: 'hub' | 'storage'
  authorization: string | undefined
  range: string | undefined
}

/** Answers instead of the server when it returns true. */
export type Intercept = (request: TestRequest, response: ServerResponse, body: Uint8Array | undefined) => boolean

export class TestHub {
  readonly repos: Record<string, TestRepo> = {}
  requests: TestRequest[] = []
  intercept: Intercept | undefined
  endpoint = ''
  #storage = ''
  #servers: Server[] = []

  async start(): Promise<void> {
    this.endpoint = await this.#listen('hub')
    this.#storage = await this.#listen('storage')
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    }
  }

  /** Requests that carried file bytes, as `path range`. */
  downloads(): string[] {
    return this.requests.filter(isDownload).map(({ path, range }) => `${path} ${range ?? 'whole'}`)
  }

  async #listen(host: TestRequest['host']): Promise<string> {
    const server = createServer((req, res) => this.#answer(host, req, res))
    this.#servers.push(server)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  #answer(host: TestRequest['host'], req: IncomingMessage, res: ServerResponse): void {
    const { authorization, range } = req.headers
    const request = { method: req.method ?? '', path: req.url ?? '', host, authorization, range }
    this.requests.push(request)
    const [, id = '', rest = ''] =
      /^\/(?:api\/(?:models|datasets)\/|datasets\/|blob\/)?([\w.-]+\/[\w.-]+)\/(.*)$/.exec(
        request.path.replace(/\?.*/, ''),
      ) ?? []
    const main = this.repos[id]
    const revision = decodeURIComponent(rest.split('/')[1] ?? '')
    const branch = Object.entries(main?.branches ?? {}).find(
      ([name, { commit }]) => revision === name || revision === commit,
    )
    const repo = branch?.[1] ?? main
    const name = decodeURIComponent(rest.split('/').slice(2).join('/'))
    const content = repo?.files[host === 'storage' ? rest : name]
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    if (this.intercept?.(request, res, bytes)) return
    if (!repo) return fail(res, 404, 'RepoNotFound')
    if (host === 'storage') return bytes ? send(res, bytes, range, 'storage') : fail(res, 404, 'EntryNotFound')
    if (rest.startsWith('revision/'))
      return this.#info(res, id, repo, branch ? 'main' : decodeURIComponent(rest.slice(9)))
    if (rest.startsWith('tree/'))
      return json(
        res,
        Object.keys(repo.files).map((path) => entry(repo, path)),
      )
    if (rest.startsWith('xet-')) return this.#xet(res, id, rest)
    if (!rest.startsWith(`resolve/${repo.commit}/`)) return fail(res, 404, 'RevisionNotFound')
    if (repo.gatedToken && authorization !== `Bearer ${repo.gatedToken}`) {
      return authorization ? fail(res, 403, 'GatedRepo') : fail(res, 401, 'GatedRepo')
    }
    if (!bytes) return fail(res, 404, 'EntryNotFound')
    res.setHeader('X-Repo-Commit', repo.commit)
    if (repo.xet?.includes(name) && req.headers.accept?.includes('xet-fileinfo')) {
      return this.#xetInfo(res, id, name, bytes)
    }
    if (repo.lfs?.includes(name)) {
      res.setHeader('X-Linked-Etag', JSON.stringify(sha256(bytes)))
      res.setHeader('X-Linked-Size', bytes.length)
      return void res.writeHead(302, { location: `${this.#storage}/blob/${id}/${name}` }).end()
    }
    send(res, bytes, range, gitOid(bytes))
  }

  #info(res: ServerResponse, id: string, repo: TestRepo, revision: string): void {
    if (![repo.commit, 'main', 'v1', 'refs/pr/1'].includes(revision)) return fail(res, 404, 'RevisionNotFound')
    json(res, { _id: '1', id, sha: repo.commit, private: false, gated: false, downloads: 0, likes: 0 })
  }

  #xetInfo(res: ServerResponse, id: string, name: string, bytes: Uint8Array): void {
    const hash = Buffer.from(name).toString('hex')
    const base = `${this.endpoint}/api/models/${id}`
    const links = `<${base}/xet-token>; rel="xet-auth", <${base}/xet-file/${hash}>; rel="xet-reconstruction-info"`
    res.setHeader('X-Xet-Hash', hash).setHeader('Link', links)
    res.setHeader('X-Linked-Size', bytes.length).setHeader('X-Linked-Etag', sha256(bytes))
    res.setHeader('Content-Type', 'application/vnd.xet-fileinfo+json').end('{}')
  }

  /** One xorb a file, of uncompressed chunks of 1000 bytes behind 8-byte headers. */
  #xet(res: ServerResponse, id: string, rest: string): void {
    if (rest === 'xet-token') {
      return json(res, { accessToken: 'storage-token', casUrl: this.#storage, exp: Date.now() / 1000 + 3600 })
    }
    const [kind, hash = ''] = rest.split('/')
    const content = this.repos[id]!.files[Buffer.from(hash, 'hex').toString()]!
    const bytes = Buffer.from(content)
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += 1000) {
      const chunk = bytes.subarray(at, at + 1000)
      const header = Buffer.alloc(8)
      header.writeUIntLE(chunk.length, 1, 3)
      header.writeUIntLE(chunk.length, 5, 3)
      chunks.push(header, chunk)
    }
    const xorb = Buffer.concat(chunks)
    if (kind === 'xet-xorb') return void res.writeHead(206).end(xorb)
    const span = { start: 0, end: chunks.length / 2 }
    const url = `${this.endpoint}/api/models/${id}/xet-xorb/${hash}`
    json(res, {
      offset_into_first_range: 0,
      terms: [{ hash, unpacked_length: bytes.length, range: span }],
      xorbs: { [hash]: [{ url, ranges: [{ chunks: span, bytes: { start: 0, end: xorb.length - 1 } }] }] },
    })
  }
}

/** Whether a request asks for file bytes, rather than for `bytes=0-0`, the package's question for the size. */
export function isDownload({ path, range, host }: TestRequest): boolean {
  return range !== 'bytes=0-0' && (host === 'storage' || path.includes('/resolve/'))
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const gitOid = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

function entry(repo: TestRepo, path: string): object {
  const bytes = Buffer.from(repo.files[path]!)
  const large = repo.lfs?.includes(path) || repo.xet?.includes(path)
  const lfs = large ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 } } : {}
  return { type: 'file', path, size: bytes.length, oid: gitOid(bytes), ...lfs }
}

function json(res: ServerResponse, body: unknown): void {
  res.setHeader('Content-Type', 'application/json').end(JSON.stringify(body))
}

export function fail(res: ServerResponse, status: number, code = '', headers: Record<string, string> = {}): void {
  res.writeHead(status, { 'X-Error-Code': code, ...headers }).end(`{"error":"${code}"}`)
}

function send(res: ServerResponse, bytes: Uint8Array, range: string | undefined, etag: string): void {
  res.setHeader('ETag', JSON.stringify(etag))
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
  if (first === undefined) return void res.setHeader('Content-Length', bytes.length).end(bytes)
  const part = bytes.subarray(Number(first), Number(last) + 1)
  const end = Number(first) + part.length - 1
  res.writeHead(206, { 'Content-Range': `bytes ${first}-${end}/${bytes.length}`, 'Content-Length': part.length })
  res.end(part)
}
