// jora gui: the page in the browser, served from this machine until Ctrl-C; runs it has started go on without it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { integer, onUnless, text, texts, withDefault, type ValuesOf } from '../flags/flag'
import { interruptible } from '../interrupt'
import type { Io, Session } from '../io'
import { program } from '../ui/next-command'
import { styleFor } from '../ui/style'

const mostPort = 65_535

const flags = {
  host: withDefault(
    text('address to listen on; one that other machines can reach needs a password', 'ADDRESS'),
    '127.0.0.1',
  ),
  port: withDefault(integer('port to listen on; 0 is a free one', 0), 0),
  open: onUnless('do not open the browser'),
  root: texts('folder that the page may use; may be given more than once, runs are created in the first', 'DIR'),
  passwordFile: text('file with the password that opens the page for others (or JORA_GUI_PASSWORD)', 'FILE'),
}
type Values = ValuesOf<typeof flags>

/** What is beside the built command. */
const beside = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export function registerGui(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'gui',
    flags,
    examples: [
      'gui',
      'gui --root models --root data --no-open',
      'gui --host 0.0.0.0 --port 8080 --password-file secret.txt',
    ],
    run: gui,
  })
}

async function gui(values: Values, { io, json }: CommandContext<typeof flags>): Promise<void> {
  const { host, port, root = ['.'] } = values
  if (port > mostPort) throw new UsageError(`--port: got "${port}", expected a port up to ${mostPort}`)
  const password = await passwordOf(values, io)
  // Only this command waits for what the server is made of.
  const { GuiError, startGui } = await import('@jora/gui')
  const server = await startGui({
    host,
    port,
    roots: root,
    stateDir: stateFolder(io.env),
    staticDir: [beside('web'), beside('../../web/dist')].find((folder) => existsSync(join(folder, 'index.html'))),
    command: [process.execPath, beside('../bin/jora.mjs')],
    password,
    bundled: bundled(),
    onError: (error) => io.stderr.write(`error: ${error.message}\n`),
  }).catch((error: unknown) => {
    throw error instanceof GuiError ? new UsageError(error.message) : error
  })
  const { signal, release } = interruptible(io)
  try {
    const style = styleFor(io.stdout, io.env)
    if (json)
      io.stdout.write(`${JSON.stringify({ url: server.launchUrl, address: server.address, port: server.port })}\n`)
    else io.stdout.write(`JORA is at ${style.cyan(server.launchUrl)}\n`)
    const note = (line: string) => io.stderr.write(`${styleFor(io.stderr, io.env).dim(line)}\n`)
    note('The address works once, in one browser. Ctrl-C closes the page; runs continue.')
    if (!['127.0.0.1', 'localhost', '::1'].includes(host))
      io.stderr.write(
        `${styleFor(io.stderr, io.env).yellow(`warning: anyone who reaches ${host}:${server.port} and knows the password can start programs and read the roots; the connection is not encrypted.`)}\n`,
      )
    if (values.open) openBrowser(server.launchUrl)
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    const running = server.runningRuns()
    await server.close()
    note(
      running === 0
        ? 'The page is closed.'
        : `The page is closed; ${running === 1 ? 'a run continues' : `${running} runs continue`}. ${program(io)} gui shows ${running === 1 ? 'it' : 'them'} again.`,
    )
  } finally {
    release()
  }
}

/** The password of the file, or of the environment. @throws UsageError when the file holds none */
async function passwordOf({ host, passwordFile }: Values, io: Io): Promise<string | undefined> {
  const { JORA_GUI_PASSWORD: given } = io.env
  const source =
    passwordFile === undefined
      ? given
      : await readFile(passwordFile, 'utf8').catch((error: Error) => {
          throw new UsageError(`--password-file: ${error.message}`)
        })
  const password = source?.replace(/\r?\n$/, '')
  if (passwordFile !== undefined && !password) throw new UsageError(`--password-file: ${passwordFile} is empty`)
  if (!password && !['127.0.0.1', 'localhost', '::1'].includes(host))
    throw new UsageError(
      `--host ${host} can be reached by other machines: set a password with --password-file FILE or JORA_GUI_PASSWORD`,
    )
  return password
}

/** Sessions and uploads, where the system keeps what programs remember. */
function stateFolder({ XDG_STATE_HOME: state, LOCALAPPDATA: local }: Io['env']): string {
  if (state) return join(state, 'jora', 'gui')
  if (process.platform === 'win32' && local) return join(local, 'jora', 'gui')
  return join(homedir(), '.local', 'state', 'jora', 'gui')
}

/** The model and rows that ship with the command. */
function bundled() {
  const [model, questions] = [beside('../assets/tiny-llama'), beside('../assets/questions.jsonl')]
  return {
    ...(existsSync(model) ? { model } : {}),
    datasets: existsSync(questions) ? [{ path: questions, name: 'Questions and answers' }] : [],
  }
}

/** What opens an address, by platform; without a shell, so that nothing of the address is read as a command. */
const openers: Readonly<Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

function openBrowser(url: string): void {
  const [program, ...args] = openers[process.platform] ?? ['xdg-open']
  const child = spawn(program, [...args, url], { detached: true, stdio: 'ignore' })
  // The address is in the terminal.
  child.on('error', () => {})
  child.unref()
}
