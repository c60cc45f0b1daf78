// Numbers of rows or samples, one after another: a typed array that grows.

type TypedArray = Float64Array | Int32Array | Uint8Array

/** A typed array that numbers are put behind; 0 where nothing was put. */
export class Numbers<A extends TypedArray> {
  length = 0
  #values: A
  readonly #make: new (length: number) => A

  constructor(make: new (length: number) => A) {
    this.#make = make
    this.#values = new make(64)
  }

  /** Puts a number behind the others. */
  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new this.#make(2 * this.length)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.length++] = value
  }

  /** The number of that place, which must be one. */
  at(index: number): number {
    return this.#values[index]!
  }

  /** All of them, in an array of their number. */
  whole(): A {
    return this.#values.slice(0, this.length) as A
  }
}
