// What a person sees of a push: the files, a bar with bytes, where it is, and how to go on with one that stopped.
import type { PushEvent, PushResult } from '@jora/hf-export'
import type { Session } from '../io'
import { bytes, duration, plural, shellWord } from './format'
import { program } from './next-command'
import { bar, StatusLine } from './status-line'
import { styleFor, type Style } from './style'
import { columns } from './table'

export class PushDisplay {
  /** Files that are in the repository since this push. */
  committed = 0
  readonly #io: Session
  readonly #style: Style
  readonly #line: StatusLine
  #plan: PushResult | undefined
  #pullRequestUrl: string | undefined
  #started = 0

  constructor(io: Session) {
    this.#io = io
    this.#style = styleFor(io.stderr, io.env)
    this.#line = new StatusLine(io.stderr)
  }

  log(line: string): void {
    this.#line.log(line)
  }

  close(): void {
    this.#line.clear()
  }

  show(event: PushEvent): void {
    if (event.type === 'plan') this.#begin(event.plan)
    if (event.type === 'hash') {
      const { file, doneBytes, totalBytes } = event
      this.#line.show(this.#style.dim(`comparing ${file}  ${bytes(doneBytes)} of ${bytes(totalBytes)}`))
    }
    if (event.type === 'sent') {
      const { file, sentBytes, totalBytes } = event
      const seconds = (performance.now() - this.#started) / 1000
      const left =
        sentBytes > 0 && seconds > 1 ? `  ETA ${duration((seconds * (totalBytes - sentBytes)) / sentBytes)}` : ''
      const at = `${bytes(sentBytes)} of ${bytes(totalBytes)}${left}`
      this.#line.show(`${bar(sentBytes / Math.max(1, totalBytes), 24, this.#style)}  ${at}  ${file}`, `${at}  ${file}`)
    }
    if (event.type === 'commit') {
      this.committed += event.files.length
      this.#pullRequestUrl = event.pullRequestUrl
    }
  }

  #begin(plan: PushResult): void {
    this.#started = performance.now()
    this.#line.clear()
    const { repo, created, visibility, notLooked, files, leftOut, notes, revision } = plan
    const { bold, dim, yellow } = this.#style
    const branch = revision === 'main' ? '' : `, branch ${revision}`
    const state = notLooked ? `could not look: ${notLooked}` : `${created ? 'new, ' : ''}${visibility}${branch}`
    this.log(`${bold(repo)}${dim(` · ${state}`)}`)
    const rows = files.map(({ name, bytes: size, there }) => [
      `  ${name}`,
      bytes(size),
      there ? dim('already there') : '',
    ])
    for (const row of columns(rows)) this.log(row.trimEnd())
    if (leftOut.length > 0)
      this.log(dim(`not pushed: ${leftOut.map(({ name, reason }) => `${name} (${reason})`).join(', ')}`))
    for (const note of notes) this.log(yellow(`note: ${note}`))
    if (!plan.dryRun && files.some(({ there }) => !there)) this.#line.show(dim('preparing …'))
    this.#plan = plan
  }

  done({ dryRun, files, url, commits }: PushResult): void {
    const { green, bold } = this.#style
    const going = files.filter(({ there }) => !there)
    const size = bytes(going.reduce((n, file) => n + file.bytes, 0))
    if (dryRun) this.log(`${green('dry run')}  ${plural(going.length, 'file')} of ${size} to push; nothing was changed`)
    else if (going.length === 0)
      this.log(`${green('done')}   all ${plural(files.length, 'file')} were already there\n\n${bold(url)}`)
    else {
      const seconds = (performance.now() - this.#started) / 1000
      const sent = `${plural(going.length, 'file')}, ${size}, in ${plural(commits.length, 'commit')}, ${duration(seconds)}`
      this.log(`${green('done')}   ${sent}\n\n${bold(url)}`)
    }
  }

  /** After a push that did not end: what stays, and how to go on. */
  stays(repo: string): void {
    const { files = [] } = this.#plan ?? {}
    const there = files.filter((file) => file.there).length + this.committed
    const of = this.#plan ? `${there} of ${plural(files.length, 'file')} are in ${repo}` : 'nothing was sent yet'
    this.log(`${of}; files that were sent are not sent again. Continue with:`)
    const command = `${program(this.#io)} ${this.#again().map(shellWord).join(' ')}`
    this.log(`  ${this.#style.cyan(command)}`)
  }

  /** The command's words; a pull request that was opened is gone on with, not opened twice. */
  #again(): string[] {
    const number = /\/(\d+)$/.exec(this.#pullRequestUrl ?? '')?.[1]
    const words = [...this.#io.argv]
    if (number === undefined) return words
    const at = words.indexOf('--revision')
    if (at >= 0) words.splice(at, 2)
    return [...words.filter((word) => word !== '--create-pr'), '--revision', `refs/pr/${number}`]
  }
}
