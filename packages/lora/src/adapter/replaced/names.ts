// Embedding and head, as settings and as models call them.
import type { SavedModule } from '../../settings/table/adapter'

/** Modules that may be replaced, under their whole names. */
export const moduleNames = { embed_tokens: 'model.embed_tokens', lm_head: 'lm_head' } as const satisfies Readonly<
  Record<SavedModule, string>
>
