// Tokens of a sample as text: a part to a line with its name beside it, and what is learned underlined as well as coloured.
import type { Preview, TokenKind } from '@jora/gui/client'

type Token = Preview['tokens'][number]

const legend: readonly (readonly [TokenKind, string])[] = [
  ['context', 'context: documents it reads'],
  ['question', 'question'],
  ['prompt', 'prompt: what is asked'],
  ['answer', 'answer: learned, underlined'],
  ['end', 'end of the answer (EOS): learned, in a box'],
]

interface Passage {
  readonly kind: TokenKind
  readonly branch: number | undefined
  readonly tokens: readonly Token[]
}

/** Neighbours of one kind and one question; the end of an answer belongs to it. */
function passages(tokens: readonly Token[]): Passage[] {
  const found: { kind: TokenKind; branch: number | undefined; tokens: Token[] }[] = []
  for (const token of tokens) {
    const last = found.at(-1)
    const goesOn = token.kind === last?.kind || (token.kind === 'end' && last?.kind === 'answer')
    if (last !== undefined && goesOn && last.branch === token.branch) last.tokens.push(token)
    else found.push({ kind: token.kind, branch: token.branch, tokens: [token] })
  }
  return found
}

export function TokenText({ tokens }: { readonly tokens: readonly Token[] }) {
  const kinds = new Set(tokens.map(({ kind }) => kind))
  return (
    <div className="stack stack-s">
      <ul className="key" aria-label="Legend">
        {legend
          .filter(([kind]) => kinds.has(kind))
          .map(([kind, text]) => (
            <li key={kind}>
              <span className={`token-key part-${kind}`} aria-hidden="true">
                {kind === 'end' ? '■' : 'Aa'}
              </span>
              {text}
            </li>
          ))}
      </ul>
      <div className="tokens" tabIndex={0} role="region" aria-label="Tokens of the sample">
        {passages(tokens).map(({ kind, branch, tokens: own }, i) => (
          <div key={i} className="passage">
            <span className="passage-name">
              {kind}
              {branch !== undefined && ` ${branch + 1}`}
            </span>
            <span className="passage-text">
              {own.map((token, n) => (
                <span key={n} className={`token part-${token.kind}`} title={`token ${token.id}`}>
                  {token.kind === 'end' ? `■ ${token.text || 'end'}` : token.text}
                </span>
              ))}
            </span>
          </div>
        ))}
      </div>
    </div>
  )
}
