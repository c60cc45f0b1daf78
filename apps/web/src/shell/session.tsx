// What the server tells once: roots, bundled model and data, defaults. Asked for on the first page, kept for all.
import { createContext, use, type ReactNode } from 'react'
import type { Session } from '@jora/gui/client'
import { api } from '../api/client'
import { useRequest, type Requested } from '../api/use-request'

const SessionContext = createContext<Requested<Session> | undefined>(undefined)

export function SessionProvider({ children }: { readonly children: ReactNode }) {
  return <SessionContext value={useRequest('session', () => api.session())}>{children}</SessionContext>
}

export function useSession(): Requested<Session> {
  const session = use(SessionContext)
  if (session === undefined) throw new Error('useSession: there is no SessionProvider above')
  return session
}
