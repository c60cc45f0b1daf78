// Rows decoded together: each step reads the weights once for all of them. Rows join when their prompts are computed and
// leave when they end. All end at one column, the cursor; those that joined later, or have less behind them, begin later.
import { disposeTree, tensor, type Device, type Tensor } from '@jora/tensor'
import type { Continuation } from './continuation'
import type { AdapterTensors } from './options'
import { readNext } from './next-tokens'
import type { Computed } from './prefill'
import type { GenerationPrograms } from './programs'
import { nextSize, positionsOf, visibilityOf, type Cache, type RowSight, type Shared } from './sight'

interface Row {
  readonly continuation: Continuation
  /** Tokens that it reads in what is shared. */
  readonly seen: number
  /** Tokens of its own, in the cache. */
  length: number
  /** The token to be computed next. */
  next: number
}

/** What a slot sees whose own tokens are the last `length` before column `at`, and of a slot without a row: nothing. */
const sightAt = (row: Row | undefined, at: number): RowSight =>
  row
    ? { start: 0, contextEnd: row.seen, branchStart: at - row.length }
    : { start: 0, contextEnd: 0, branchStart: at + 1 }

/** Numbers of slots, few of which are compiled; beyond them, multiples of the last. */
const slotCounts = [1, 4, 8, 16, 24, 32]

function slotsFor(rows: number): number {
  const last = slotCounts.at(-1)!
  return slotCounts.find((count) => count >= rows) ?? last * Math.ceil(rows / last)
}

/** Columns that are free behind the cursor after a change of the layout. */
const spare = 32

/** All rows have the same adapter, and the same beginning where one is shared. */
export class RowBatch {
  readonly #programs: GenerationPrograms
  readonly #device: Device | undefined
  readonly #adapter: AdapterTensors
  /** The beginning of all rows, one row that is read for all of them; each row has so much of it as it has seen. */
  readonly #shared: Omit<Shared, 'length'>
  #slots: (Row | undefined)[] = []
  #cache: Cache | undefined
  #capacity = 0
  /** The column that the next tokens are written to. */
  #cursor = 0

  constructor(
    programs: GenerationPrograms,
    device: Device | undefined,
    adapter: AdapterTensors,
    shared: Omit<Shared, 'length'> = { layers: [], capacity: 0 },
  ) {
    this.#programs = programs
    this.#device = device
    this.#adapter = adapter
    this.#shared = shared
  }

  /** Rows that are decoded. */
  get size(): number {
    return this.#rows().length
  }

  /**
   * Takes a row in, whose prompt is computed.
   *
   * @param computed stays the caller's
   * @param next the first token of the answer
   * @param seen tokens of the prompt that are in what is shared
   */
  join(
    continuation: Continuation,
    { layers, capacity }: Pick<Computed, 'layers' | 'capacity'>,
    next: number,
    seen = 0,
  ): void {
    const length = continuation.prompt.length - seen
    const row: Row = { continuation, seen, length, next }
    if (!this.#cache) {
      this.#slots = [row]
      this.#cursor = length
      this.#capacity = Math.max(capacity, nextSize(length + spare))
      this.#cache = this.#programs.copy(layers, this.#upload([0], [1]), this.#capacity)
      return
    }
    // Whole sizes of the row's cache are put in; what is in it behind the prompt comes behind the cursor.
    const width = Math.min(capacity, nextSize(length))
    const free = this.#slots.indexOf(undefined)
    const fits = length <= this.#cursor && this.#cursor - length + width <= this.#capacity
    if (free < 0 || !fits) this.#layOut(this.size + 1, length, width - length)
    const slot = this.#slots.indexOf(undefined)
    const column = this.#cursor - length
    this.#cache = this.#programs.place(this.#cache, layers, this.#upload([slot], []), this.#upload([column], []), width)
    this.#slots[slot] = row
  }

  /** One token for every row. */
  async step(): Promise<void> {
    for (const [slot, row] of this.#slots.entries()) if (row?.continuation.ended) this.#slots[slot] = undefined
    const { size } = this
    if (size === 0) return this.dispose()
    if (this.#cursor === this.#capacity || 2 * slotsFor(size) <= this.#slots.length) this.#layOut(size, 0, 0)
    const count = this.#slots.length
    const at = this.#cursor
    const index = this.#shared.capacity + at
    const sights = this.#slots.map((row) => sightAt(row, index))
    const cache = this.#cache!
    this.#cache = undefined
    const [scores, best, next] = this.#programs.step(
      this.#adapter,
      cache,
      this.#upload(
        this.#slots.map((row) => row?.next ?? 0),
        [count, 1],
      ),
      this.#upload(positionsOf(sights, index, 1), [count, 1]),
      this.#upload(visibilityOf(sights, index, 1), [count, 1, 4]),
      this.#upload([at], []),
      this.#upload([0], [1]),
      this.#shared.layers,
    )
    this.#cache = next
    this.#cursor++
    // While the tokens are computed, another row may join, and others get another slot.
    const stepped = [...this.#slots]
    for (const row of stepped) if (row) row.length++
    const wanted = this.#rows().some(({ continuation }) => continuation.needsScores)
    const found = await readNext(scores, best, wanted)
    for (const [n, row] of stepped.entries()) {
      if (!row) continue
      const id = row.continuation.accept(found[n]!)
      const slot = this.#slots.indexOf(row)
      if (id !== undefined) row.next = id
      else if (slot >= 0) this.#slots[slot] = undefined
    }
    if (this.size === 0) this.dispose()
  }

  /** All rows end with an error, and the memory is released. */
  fail(error: unknown): void {
    for (const row of this.#rows()) row.continuation.fail(error)
    this.dispose()
  }

  /** Releases the cache. */
  dispose(): void {
    if (this.#cache) disposeTree(this.#cache)
    this.#cache = undefined
    this.#slots = []
  }

  #rows(): Row[] {
    return this.#slots.filter((row) => row !== undefined)
  }

  /**
   * Another layout, in which only columns that are seen are kept.
   *
   * @param rows slots that are needed at least
   * @param length tokens of a row that is to join
   * @param behind columns that it fills behind its tokens
   */
  #layOut(rows: number, length: number, behind: number): void {
    const kept = [...this.#slots.entries()].filter(([, row]) => row !== undefined)
    const cursor = Math.max(length, ...kept.map(([, row]) => row!.length))
    const capacity = nextSize(cursor + Math.max(spare, behind))
    const slots = slotsFor(rows)
    const moved = this.#cursor - cursor
    const owners = Array.from({ length: slots }, (_, n) => kept[n]?.[0] ?? 0)
    // Columns from beyond either end are seen by no row.
    const columns = Array.from({ length: capacity }, (_, j) => Math.min(Math.max(j + moved, 0), this.#capacity - 1))
    this.#cache = this.#programs.relayout(
      this.#cache!,
      this.#upload(owners, [slots]),
      this.#upload(columns, [capacity]),
    )
    this.#slots = Array.from({ length: slots }, (_, n) => kept[n]?.[1])
    this.#cursor = cursor
    this.#capacity = capacity
  }

  #upload(data: ArrayLike<number>, shape: readonly number[]): Tensor {
    return tensor(Int32Array.from(data), { shape, ...(this.#device ? { device: this.#device } : {}) })
  }
}
