// What is said of a write that found no room.

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: "the user's share of the disk is used up",
  EFBIG: 'the file would be larger than this system allows',
}

/**
 * For a write that found no room, an error that names what was to be written and why it is not; else `error` itself.
 * @param more said after that, e.g. how much it takes
 */
export function explainNoRoom(error: unknown, path: string, more = ''): unknown {
  const { code } = error as NodeJS.ErrnoException
  const reason = code === undefined ? undefined : reasons[code]
  if (reason === undefined) return error
  return Object.assign(new Error(`${path} cannot be written: ${reason} (${code})${more}`, { cause: error }), { code })
}
