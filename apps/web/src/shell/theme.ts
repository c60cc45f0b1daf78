// The theme: the system's, or the one that was chosen here (kept in this browser; public/theme.js sets it early).
import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'light' | 'dark'
export const themes: readonly Theme[] = ['system', 'light', 'dark']

const listeners = new Set<() => void>()
const chosen = (): Theme => (document.documentElement.dataset.theme as Theme | undefined) ?? 'system'

export function chooseTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  try {
    if (theme === 'system') localStorage.removeItem('jora-theme')
    else localStorage.setItem('jora-theme', theme)
  } catch {
    // Storage is switched off: the choice holds until the page closes.
  }
  listeners.forEach((listener) => listener())
}

const system = () => matchMedia('(prefers-color-scheme: dark)')

function subscribe(listener: () => void): () => void {
  const media = system()
  listeners.add(listener)
  media.addEventListener('change', listener)
  return () => {
    listeners.delete(listener)
    media.removeEventListener('change', listener)
  }
}

export const useTheme = (): Theme => useSyncExternalStore(subscribe, chosen)

/** What is drawn: canvas colours are read again when it changes. */
export const useShade = (): 'light' | 'dark' =>
  useSyncExternalStore(subscribe, () => {
    const theme = chosen()
    return theme === 'system' ? (system().matches ? 'dark' : 'light') : theme
  })
