// Whether someone else paused or stopped a run: this page knows what it has asked for itself.
import { useRef, useState } from 'react'
import type { Run, RunState } from '@jora/gui/client'

const own = new Set<string>()

/** Called when this page asks for something. */
export const markOwn = (id: string): void => void own.add(id)

/** Told once when a run that went on before has been paused or stopped from elsewhere; until it goes on again. */
export function useForeignChange(run: Run | undefined): 'paused' | 'stopped' | undefined {
  const before = useRef<RunState>(undefined)
  const [foreign, setForeign] = useState<'paused' | 'stopped'>()
  const state = run?.state
  if (run !== undefined && state !== before.current) {
    const wentOn = before.current === 'starting' || before.current === 'running' || before.current === 'paused'
    const now = wentOn && (state === 'paused' || state === 'stopped') && !own.has(run.id) ? state : undefined
    before.current = state
    own.delete(run.id)
    if (now !== foreign) setForeign(now)
  }
  return foreign
}
