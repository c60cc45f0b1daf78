// Whose requests are answered: those to a name that is ours, and not those that the pages of others make.
import { hostname, networkInterfaces } from 'node:os'

const loopback = new Set(['127.0.0.1', 'localhost', '::1'])

/** Whether only this machine reaches a server that listens on `host`. */
export const isLoopback = (host: string): boolean => loopback.has(host)

/** The name in a Host header, without its port: `[::1]:80` is `::1`. */
const nameOf = (host: string): string =>
  host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()

/** Names under which a server is itself: a foreign name that resolves to us (DNS rebinding) is none of them. */
export function ownNames(host: string): Set<string> {
  const names = new Set([...loopback, host.toLowerCase()])
  if (isLoopback(host)) return names
  const machine = hostname().toLowerCase()
  names.add(machine).add(`${machine}.local`)
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address } of addresses ?? []) names.add(address)
  return names
}

/** What of a request's headers says who makes it. */
export interface RequestHeaders {
  readonly host: string | undefined
  readonly origin: string | undefined
  /** `Sec-Fetch-Site`. */
  readonly site: string | undefined
}

/** `host`: it is for another server. `origin`: the page of another server makes it. */
export type Refusal = 'host' | 'origin'

/**
 * Why a request is refused; undefined for one that is not.
 *
 * @param fromPages whether pages may make it whoever they are, as they may open an address
 */
export function checkRequest(
  names: ReadonlySet<string>,
  { host = '', origin, site }: RequestHeaders,
  fromPages = false,
): Refusal | undefined {
  if (!names.has(nameOf(host))) return 'host'
  if (fromPages) return undefined
  const isOwn = origin === undefined || origin === `http://${host}` || origin === `https://${host}`
  return isOwn && (site === undefined || site === 'same-origin' || site === 'none') ? undefined : 'origin'
}
