// A small Hugging Face Hub on localhost that is written to: who am I, repositories, branches, uploads, commits, pull requests.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ServedRepo {
  private: boolean
  /** Branch → name → content. */
  branches: Record<string, Record<string, Buffer>>
  /** Large files the storage holds, by SHA-256, committed or not. */
  objects: Map<string, Buffer>
  /** Titles of commits, oldest first. */
  titles: string[]
  pullRequests: number
}

export interface ServedRequest {
  method: string
  path: string
  host: 'hub' | 'storage'
  authorization: string | undefined
  contentLength: string | undefined
  body: Buffer
}

/** Answers instead of the server when it returns true. */
export type Intercept = (request: ServedRequest, response: ServerResponse) => boolean

export class WritableHub {
  readonly repos: Record<string, ServedRepo> = {}
  requests: ServedRequest[] = []
  intercept: Intercept | undefined
  /** Called as storage takes bytes; returning true cuts the connection. */
  cut: ((path: string, received: number) => boolean) | undefined
  /** Storage takes anything and keeps nothing. */
  discards = false
  endpoint = ''
  token = 'hf_opensesame'
  account = { name: 'ali', role: 'write', orgs: ['cave'] }
  /** Larger uploads come in parts of this size. */
  partBytes = Infinity
  #storage = ''
  #servers: Server[] = []
  #parts = new Map<string, Buffer>()

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

  addRepo(id: string, files: Record<string, Buffer> = {}, isPrivate = true): ServedRepo {
    const attributes = Buffer.from('*.safetensors filter=lfs\n')
    return (this.repos[id] = {
      private: isPrivate,
      branches: { main: { '.gitattributes': attributes, ...files } },
      objects: new Map(),
      titles: [],
      pullRequests: 0,
    })
  }

  /** Requests other than reading, as `METHOD path`, without addresses of uploads. */
  writes(): string[] {
    return this.requests
      .filter(({ method }) => method !== 'GET')
      .map(({ method, path }) => `${method} ${path.replace(/\?.*/, '')}`)
  }

  /** Requests that carried bytes of large files. */
  uploads(): ServedRequest[] {
    return this.requests.filter(({ method }) => method === 'PUT')
  }

  async #listen(host: ServedRequest['host']): Promise<string> {
    const server = createServer((req, res) => void this.#receive(host, req, res))
    this.#servers.push(server)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async #receive(host: ServedRequest['host'], req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { authorization, 'content-length': contentLength } = req.headers
    const path = req.url ?? ''
    const request: ServedRequest = {
      method: req.method ?? '',
      path,
      host,
      authorization,
      contentLength,
      body: Buffer.of(),
    }
    this.requests.push(request)
    const chunks: Buffer[] = []
    let received = 0
    try {
      for await (const chunk of req as AsyncIterable<Buffer>) {
        if (host === 'hub' || !this.discards) chunks.push(chunk)
        received += chunk.length
        if (host === 'storage' && this.cut?.(path, received)) return void req.destroy()
      }
    } catch {
      return // the client left
    }
    request.body = Buffer.concat(chunks)
    if (this.intercept?.(request, res)) return
    if (host === 'storage') return this.#store(request, res)
    if (authorization !== undefined && authorization !== `Bearer ${this.token}`) return fail(res, 401)
    this.#answer(request, res)
  }

  #answer({ method, path, body, authorization }: ServedRequest, res: ServerResponse): void {
    const known = authorization !== undefined
    if (path === '/api/whoami-v2') return this.#whoAmI(res)
    if (path === '/api/repos/create') return this.#create(res, JSON.parse(body.toString()) as CreateBody)
    const lfs = /^\/([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(path)
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(\w+)\/([^/?]+)/.exec(path)
    const id = lfs?.[1] ?? api?.[1] ?? ''
    const repo = this.repos[id]
    if (!repo || (repo.private && !known)) return fail(res, known ? 404 : 401, 'RepoNotFound')
    if (lfs) return this.#batch(res, id, repo, JSON.parse(body.toString()) as { objects: LfsObject[] })
    const [kind, revision] = [api![2], decodeURIComponent(api![3]!)]
    if (kind === 'revision') return json(res, { _id: '1', id, sha: '0'.repeat(40), private: repo.private })
    if (method === 'POST' && kind === 'branch') {
      if (repo.branches[revision]) return fail(res, 409, '', 'Reference already exists')
      repo.branches[revision] = { ...repo.branches.main }
      return json(res, {})
    }
    const files = repo.branches[revision]
    if (!files) return fail(res, 404, 'RevisionNotFound')
    if (kind === 'tree') return json(res, Object.entries(files).map(entry))
    if (kind === 'preupload') {
      const { files: asked } = JSON.parse(body.toString()) as { files: { path: string; size: number }[] }
      return json(res, {
        files: asked.map(({ path: name, size }) => ({
          path: name,
          uploadMode: isLarge(name, size) ? 'lfs' : 'regular',
        })),
      })
    }
    if (kind === 'commit') return this.#commit(res, id, repo, revision, path.includes('create_pr=1'), body)
    fail(res, 404)
  }

  #whoAmI(res: ServerResponse): void {
    const { name, role, orgs } = this.account
    const auth = { type: 'access_token', accessToken: { displayName: 'test', role } }
    json(res, { type: 'user', id: '1', name, orgs: orgs.map((org) => ({ type: 'org', name: org })), auth })
  }

  #create(res: ServerResponse, { name, organization, visibility }: CreateBody): void {
    if (organization !== this.account.name && !this.account.orgs.includes(organization)) {
      return fail(res, 403, '', `You don't have the rights to create a model under the namespace "${organization}"`)
    }
    const id = `${organization}/${name}`
    if (this.repos[id]) return fail(res, 409, '', 'You already created this model repo')
    this.addRepo(id, {}, visibility === 'private')
    json(res, { url: `${this.endpoint}/${id}`, id: '1' })
  }

  #batch(res: ServerResponse, id: string, repo: ServedRepo, { objects }: { objects: LfsObject[] }): void {
    json(res, {
      transfer: 'basic',
      objects: objects.map(({ oid, size }) => {
        if (repo.objects.has(oid)) return { oid, size }
        const href = `${this.#storage}/${id}/${oid}`
        if (size <= this.partBytes) return { oid, size, actions: { upload: { href } } }
        const header: Record<string, string> = { chunk_size: String(this.partBytes) }
        for (let part = 1; (part - 1) * this.partBytes < size; part++)
          header[String(part).padStart(5, '0')] = `${href}?part=${part}`
        return { oid, size, actions: { upload: { href: `${href}?complete`, header } } }
      }),
    })
  }

  #store({ method, path, body }: ServedRequest, res: ServerResponse): void {
    const [, id = '', oid = '', query = ''] = /^\/([^/]+\/[^/]+)\/(\w+)\??(.*)$/.exec(path) ?? []
    if (method === 'PUT' && query.startsWith('part=')) {
      this.#parts.set(path, body)
      return void res.setHeader('ETag', `"${query}"`).end()
    }
    const parts = () =>
      (JSON.parse(body.toString()) as { parts: { partNumber: number; etag: string }[] }).parts.map(
        ({ partNumber, etag }) => {
          if (etag !== `"part=${partNumber}"`) throw new Error(`part ${partNumber} came with ETag ${etag}`)
          return this.#parts.get(`/${id}/${oid}?part=${partNumber}`)!
        },
      )
    const content = method === 'PUT' ? body : Buffer.concat(parts())
    if (!this.discards && sha256(content) !== oid) return fail(res, 400, '', 'wrong hash')
    this.repos[id]!.objects.set(oid, content)
    json(res, {})
  }

  #commit(
    res: ServerResponse,
    id: string,
    repo: ServedRepo,
    branch: string,
    opensPullRequest: boolean,
    body: Buffer,
  ): void {
    const lines = body
      .toString()
      .split('\n')
      .map((line) => JSON.parse(line) as CommitLine)
    let target = branch
    if (opensPullRequest) {
      target = `refs/pr/${++repo.pullRequests}`
      repo.branches[target] = { ...repo.branches[branch] }
    }
    for (const { key, value } of lines) {
      if (key === 'header') repo.titles.push(value.summary!)
      if (key === 'file') repo.branches[target]![value.path!] = Buffer.from(value.content!, 'base64')
      if (key !== 'lfsFile') continue
      const content = repo.objects.get(value.oid!)
      if (!content) return fail(res, 400, '', `${value.path} was not uploaded`)
      repo.branches[target]![value.path!] = content
    }
    const page = `${this.endpoint}/${id}`
    const oid = String(repo.titles.length).padStart(40, 'c')
    const opened = opensPullRequest ? { pullRequestUrl: `${page}/discussions/${repo.pullRequests}` } : {}
    json(res, { success: true, commitOid: oid, commitUrl: `${page}/commit/${oid}`, hookOutput: '', ...opened })
  }
}

interface CreateBody {
  name: string
  organization: string
  visibility: string
}

interface LfsObject {
  oid: string
  size: number
}

interface CommitLine {
  key: 'header' | 'file' | 'lfsFile'
  value: { summary?: string; path?: string; content?: string; oid?: string }
}

/** As the Hub decides: by .gitattributes, and by size. */
const isLarge = (name: string, size: number): boolean => /\.(safetensors|gguf)$/.test(name) || size > 10_000_000

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function entry([path, bytes]: [string, Buffer]): object {
  const lfs = isLarge(path, bytes.length) ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 } } : {}
  const oid = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
  return { type: 'file', path, size: bytes.length, oid, ...lfs }
}

function json(res: ServerResponse, body: unknown): void {
  res.setHeader('Content-Type', 'application/json').end(JSON.stringify(body))
}

export function fail(
  res: ServerResponse,
  status: number,
  code = '',
  message = '',
  headers: Record<string, string> = {},
): void {
  res.writeHead(status, { 'X-Error-Code': code, ...headers }).end(JSON.stringify({ error: message }))
}
