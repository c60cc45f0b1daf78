// Whose requests are answered: those to a name that is ours, and not those that the pages of others make.
import { hostname, networkInterfaces } from 'node:os'
const loopback = new Set(['127.0.0.1', 'localhost', '::1'])
/** Whether only this machine reaches a server that listens on `host`. */
export const isLoopback = (host) => loopback.has(host)
/** The name in a Host header, without its port: `[::1]:80` is `::1`. */
const nameOf = (host) =>
  host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
/** Names under which a server is itself: a foreign name that resolves to us (DNS rebinding) is none of them. */
export function ownNames(host) {
  const names = new Set([...loopback, host.toLowerCase()])
  if (isLoopback(host)) return names
  const machine = hostname().toLowerCase()
  names.add(machine).add(`${machine}.local`)
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address } of addresses ?? []) names.add(address)
  return names
}
/**
 * Why a request is refused; undefined for one that is not.
 *
 * @param fromPages whether pages may make it whoever they are, as they may open an address
 */
export function checkRequest(names, { host = '', origin, site }, fromPages = false) {
  if (!names.has(nameOf(host))) return 'host'
  if (fromPages) return undefined
  const isOwn = origin === undefined || origin === `http://${host}` || origin === `https://${host}`
  return isOwn && (site === undefined || site === 'same-origin' || site === 'none') ? undefined : 'origin'
}
