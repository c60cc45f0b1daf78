// Which tile a product is fastest with on this adapter: measured once for each kind of product, and remembered.
import type { DType } from '../../dtype'
import type { Shape } from '../../shape'

/** A product that several kernels can compute. */
export interface TunedProduct {
  readonly key: string
  readonly a: { readonly shape: Shape; readonly dtype: DType }
  readonly b: { readonly shape: Shape; readonly dtype: DType }
  readonly transposeA: boolean
  readonly transposeB: boolean
  /** How many tiles it could be cut into. */
  readonly candidates: number
}

/** Answers from memory; what it does not know is noted, and lowered with the default. */
export class TileChoices {
  readonly #known = new Map<string, number>()
  /** Products asked for that nobody has measured. */
  readonly unknown = new Map<string, TunedProduct>()

  constructor(known: Readonly<Record<string, number>> = {}) {
    for (const [key, choice] of Object.entries(known)) this.#known.set(key, choice)
  }

  /** The tile for `product`, `fallback` while it is not known. */
  choose(product: TunedProduct, fallback: number): number {
    const known = this.#known.get(product.key)
    if (known !== undefined && known < product.candidates) return known
    if (product.candidates > 1) this.unknown.set(product.key, product)
    return fallback
  }

  learn(key: string, choice: number): void {
    this.#known.set(key, choice)
    this.unknown.delete(key)
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.#known].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}

/** Where choices are kept between processes. */
export interface TuningStore {
  load(adapter: string): Readonly<Record<string, number>>
  save(adapter: string, choices: Readonly<Record<string, number>>): void
}

/** Changes when kernels do, so that old measurements are forgotten. */
export const tuningVersion = 1
