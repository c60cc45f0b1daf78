// Addresses of the page: paths, so that a run can be bookmarked; the server answers all of them with this page.
import { useSyncExternalStore } from 'react'

export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'new'; readonly from: string | undefined }
  | { readonly page: 'run'; readonly id: string }
  | { readonly page: 'learn'; readonly id: string | undefined }
  | { readonly page: 'compare'; readonly ids: readonly string[] }
  | { readonly page: 'playground'; readonly id: string | undefined }
  | { readonly page: 'missing'; readonly path: string }

/** `/runs/abc?x=y` as a route. */
export function parseRoute(address: string): Route {
  const url = new URL(address, 'http://page')
  const [first, second, ...rest] = url.pathname.split('/').filter(Boolean).map(decode)
  if (first === undefined) return { page: 'home' }
  if (rest.length === 0) {
    if (first === 'new' && second === undefined) return { page: 'new', from: url.searchParams.get('from') ?? undefined }
    if (first === 'runs' && second !== undefined) return { page: 'run', id: second }
    if (first === 'learn') return { page: 'learn', id: second }
    if (first === 'compare' && second === undefined) return { page: 'compare', ids: url.searchParams.getAll('run') }
    if (first === 'playground' && second === undefined)
      return { page: 'playground', id: url.searchParams.get('run') ?? undefined }
  }
  return { page: 'missing', path: url.pathname }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const query = (name: string, values: readonly string[]): string =>
  values.length === 0 ? '' : `?${new URLSearchParams(values.map((value) => [name, value]))}`

/** The addresses that links lead to. */
export const to = {
  home: '/',
  newRun: (from?: string) => `/new${query('from', from === undefined ? [] : [from])}`,
  learn: (id?: string) => (id === undefined ? '/learn' : `/learn/${encodeURIComponent(id)}`),
  run: (id: string) => `/runs/${encodeURIComponent(id)}`,
  compare: (ids: readonly string[] = []) => `/compare${query('run', ids)}`,
  playground: (id?: string) => `/playground${query('run', id === undefined ? [] : [id])}`,
}

const listeners = new Set<() => void>()
const tell = () => listeners.forEach((listener) => listener())

export function navigate(address: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, '', address)
  else history.pushState(null, '', address)
  if (!replace) scrollTo(0, 0)
  tell()
}

/** Path and query of the page, as they change. */
export const useAddress = (): string =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      addEventListener('popstate', listener)
      return () => {
        listeners.delete(listener)
        removeEventListener('popstate', listener)
      }
    },
    () => location.pathname + location.search,
  )
