// Log probabilities in the two forms that OpenAI's API has.
import type { LikelyToken, TokenLogprob } from '@jora/data'

const chatToken = ({ text, bytes, logprob }: LikelyToken) => ({ token: text, logprob, bytes: [...bytes] })

/** Of chats. */
export const chatLogprobs = (tokens: readonly TokenLogprob[]) => ({
  content: tokens.map((token) => ({ ...chatToken(token), top_logprobs: token.top.map(chatToken) })),
  refusal: null,
})

/** Of completions. @param offset characters of the answer before these tokens */
export function textLogprobs(tokens: readonly TokenLogprob[], offset: number) {
  const offsets: number[] = []
  let at = offset
  for (const { text } of tokens) {
    offsets.push(at)
    at += text.length
  }
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) => Object.fromEntries(top.map(({ text, logprob }) => [text, logprob]))),
    text_offset: offsets,
  }
}
