// Finds the shared folder of true tokenizers and data: env JORA_SHARED, or ../shared beside the repository.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const beside = fileURLToPath(new URL('../../../../shared', import.meta.url))
/** Its path. */
export const shared = process.env.JORA_SHARED ?? beside

export const hasShared = existsSync(`${shared}/tokenizers`)
