// What comes before a row's question: its system text and the turns before it. Neither is learned.

import type { AlpacaRow, ChatMessage } from '../rows/row-formats'
import { framedInstruction, type Frames } from './template'

type Earlier = Pick<AlpacaRow, 'system' | 'history'>

/** As text: the system's first, then each turn in its frame, a blank line after each. */
export function earlierText({ system = '', history = [] }: Earlier, frames: Frames): string {
  const turns = history.map(
    ([question, answer]) => `${framedInstruction(frames, { instruction: question })}${answer}\n\n`,
  )
  return (system === '' ? '' : `${system}\n\n`) + turns.join('')
}

/** As messages of a conversation. */
export const earlierMessages = ({ system = '', history = [] }: Earlier): ChatMessage[] => [
  ...(system === '' ? [] : [{ role: 'system', content: system } as const]),
  ...history.flatMap(([question, answer]): ChatMessage[] => [
    { role: 'user', content: question },
    { role: 'assistant', content: answer, weight: 0 },
  ]),
]
