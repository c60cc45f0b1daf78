// What an answer says where the documents do not answer.

/** The refusal that is learned and looked for where nothing else is said. */
export const DEFAULT_REFUSAL = 'The documents do not answer this.'
