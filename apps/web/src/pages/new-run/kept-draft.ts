// What was typed for a new run is kept while the window is open: a reload loses nothing.
import { emptyDraft, type Draft } from '../../settings/draft'

const key = 'jora-new-run'

export function keptDraft(): Draft {
  try {
    const kept = JSON.parse(sessionStorage.getItem(key) ?? 'null') as Partial<Draft> | null
    return { ...emptyDraft, ...kept }
  } catch {
    return emptyDraft
  }
}

export function keepDraft(draft: Draft): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(draft))
  } catch {
    // Storage is switched off or full: the page works without.
  }
}
