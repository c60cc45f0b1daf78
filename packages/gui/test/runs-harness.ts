// What the tests of runs share.

export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)
