// Reply match: which post of a conversation answers which, as JORA's paper judges its social threads.

/** Which parts of a predicted reply link are right. */
export interface ReplyMatch {
  /** The post that was asked about is named. */
  target: boolean
  /** What it answers is right, or rightly nothing; judged whether or not `target` is. */
  reply: boolean
}

/** `#1003 answers #1001` or `#1003 starts a conversation`: the id, and what is said of it. */
function readLink(text: string): { id: string; said: string } | undefined {
  const [, id, said] = /^#(\S+)([^]*)$/.exec(text.trim()) ?? []
  if (id === undefined || said === undefined) return undefined
  return { id, said: said.trim().replace(/\s+/g, ' ').replace(/\.$/, '') }
}

/**
 * Compares a predicted reply link with the right ones, part by part; several are right where a post answers several. A
 * prediction that begins with no `#id` has neither part.
 */
export function replyMatch(prediction: string, answers: readonly string[]): ReplyMatch {
  const predicted = readLink(prediction)
  if (predicted === undefined) return { target: false, reply: false }
  const links = answers.flatMap((answer) => readLink(answer) ?? [])
  return {
    target: links.some(({ id }) => id === predicted.id),
    reply: links.some(({ said }) => said === predicted.said),
  }
}
