// Colours where the stream is a terminal and nobody set NO_COLOR.
import type { Io, Output } from '../io'

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  inverse: [7, 27],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const

export type Style = { readonly [name in keyof typeof codes]: (text: string) => string } & { readonly colours: boolean }

function hasColours(output: Output, env: Io['env']): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false
  return (output.isTTY && env.TERM !== 'dumb') || (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0')
}

/** Functions that paint text for `output`, or leave it as it is. */
export function styleFor(output: Output, env: Io['env']): Style {
  const colours = hasColours(output, env)
  const paint =
    ([on, off]: readonly [number, number]) =>
    (text: string) =>
      colours && text !== '' ? `\u001b[${on}m${text}\u001b[${off}m` : text
  const painters = Object.entries(codes).map(([name, pair]) => [name, paint(pair)])
  return { ...(Object.fromEntries(painters) as Omit<Style, 'colours'>), colours }
}
