// Short texts that outlive the long one they were cut from.

/** A copy that does not keep the long text alive that it was cut from. Engines share the characters of a part from this length on. */
export const ownText = (part: string): string => (part.length < 13 ? part : part.split('').join(''))
