// What a filter is.

import type { Keywords, Value } from './values'

/** What a filter makes of a value. */
export type Filter = (value: Value, args: readonly Value[], keywords: Keywords) => Value
