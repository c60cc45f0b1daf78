// Text that is equal for equal parameters and static arguments, as caches and passes compare them.

/** JSON, but ±∞, NaN and −0 stay apart. */
export const keyOf = (value: unknown): string =>
  JSON.stringify(value, (_key, x: unknown) =>
    typeof x === 'number' && (!Number.isFinite(x) || Object.is(x, -0)) ? `#${Object.is(x, -0) ? '-0' : x}` : x,
  ) ?? ''
