// What a question of the playground has room for. Of its own, so that the process that reads a file loads no more than that.

/** Documents of a question. */
export const mostDocuments = 500
/** Characters of one of them. */
export const longestDocument = 2_000_000
