// What is said of a write that failed for where it goes: no room there, or no such place.

const noRoom: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: "the user's share of the disk is used up",
  EFBIG: 'the file would be larger than this system allows',
}

const noPlace: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'part of its path is not a folder',
  EACCES: 'no permission to write there',
  EPERM: 'no permission to write there',
  EROFS: 'the disk is read-only',
  ENAMETOOLONG: 'its name is too long',
}

function explain(error: unknown, path: string, reasons: Readonly<Record<string, string>>, more = ''): unknown {
  const { code } = error as NodeJS.ErrnoException
  const reason = code === undefined ? undefined : reasons[code]
  if (reason === undefined) return error
  return Object.assign(new Error(`${path} cannot be written: ${reason} (${code})${more}`, { cause: error }), { code })
}

/**
 * For a write that found no room, an error that names what was to be written and why it is not; else `error` itself.
 * @param more added at the end of the message, e.g. how much room the file takes
 */
export const explainNoRoom = (error: unknown, path: string, more = ''): unknown => explain(error, path, noRoom, more)

/** Likewise for a temporary file of `path` that could not be made or renamed. */
export const explainNoPlace = (error: unknown, path: string, temporary: string): unknown =>
  (error as NodeJS.ErrnoException).path === temporary ? explain(error, path, noPlace) : error
