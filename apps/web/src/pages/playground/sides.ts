// The two sides of the playground, by name.
import type { Side } from '@jora/gui/client'

const both: readonly { readonly side: Side; readonly title: string }[] = [
  { side: 'base', title: 'Base model' },
  { side: 'tuned', title: 'Tuned model' },
]

export const sidesShown = (onlyBase: boolean) => (onlyBase ? both.slice(0, 1) : both)

/** Seconds with as many places as say something. */
export const digitsOf = (seconds: number): string => seconds.toFixed(seconds < 10 ? 1 : 0)
