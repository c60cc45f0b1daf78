// Messages as transformers hands them to a chat template.

/** Names that a message's reasoning is passed under; templates read the first, and gpt-oss's the second. */
const reasoningKeys = ['reasoning_content', 'thinking', 'reasoning'] as const

/** Without keys that are null or our own, and with the reasoning under the names that templates know. */
export function templateMessages(messages: readonly object[]): Record<string, unknown>[] {
  return messages.map((message) => {
    const plain: Record<string, unknown> = Object.fromEntries(
      Object.entries(message).filter(([key, value]) => key !== 'weight' && value !== null && value !== undefined),
    )
    const reasoning = reasoningKeys.map((key) => plain[key]).find((value) => value !== undefined)
    return reasoning === undefined ? plain : { thinking: reasoning, ...plain, reasoning_content: reasoning }
  })
}
