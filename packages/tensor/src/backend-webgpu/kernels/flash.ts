// The parts flash attention is made of: score tiles through workgroup memory, and products of a tile with rows kept in
// registers (Dao et al. 2022; Dao 2023). Any head size; statistics in f32.
import type { OpName } from '../../ir/op'
import type { KernelContext } from '../fusion/context'
import type { View } from '../fusion/storage'
import { KernelWriter, plus, times, u32, type Block } from '../fusion/writer'
import { placeSees, type AttentionSizes } from './attention-sizes'

/** Rows of a [batch, heads, rows, headDim] tensor for one batch element and head. */
export interface Rows {
  readonly view: View
  /** Where the head's rows begin. */
  readonly base: string
  readonly count: number
}

const lowest = '-1e30f'

export class FlashWriter {
  readonly writer = new KernelWriter()
  readonly body = this.writer.body
  /** Rows and columns of a tile of scores. */
  readonly tile: number
  readonly lanesAcross: number
  readonly lanes: number
  /** Columns of a head that go through workgroup memory together. */
  readonly chunk: number
  readonly #chunks: number
  /** Rows, and columns of a tile, of one invocation. */
  readonly per: number
  readonly perChunk: number
  readonly #left: string
  readonly #right: string

  constructor(
    readonly context: KernelContext<OpName>,
    readonly sizes: AttentionSizes,
  ) {
    this.lanesAcross = 16
    this.lanes = this.lanesAcross ** 2
    this.tile = context.profile.maxWorkgroupBytes >= 40960 && sizes.headDim <= 128 ? 64 : 32
    this.per = this.tile / this.lanesAcross
    this.chunk = Math.min(32, Math.ceil(sizes.headDim / this.lanesAcross) * this.lanesAcross)
    this.#chunks = Math.ceil(sizes.headDim / this.chunk)
    this.perChunk = this.chunk / this.lanesAcross
    this.#left = this.writer.workgroupArray('left', 'f32', this.chunk * this.tile)
    this.#right = this.writer.workgroupArray('right', 'f32', this.chunk * this.tile)
    this.body.push(`let x = lid % ${this.lanesAcross}u;`, `let y = lid / ${this.lanesAcross}u;`)
  }

  /** A workgroup array for one tile of scores; rows are padded by one against bank conflicts. */
  scoreTile(name: string): string {
    return this.writer.workgroupArray(name, 'f32', this.tile * (this.tile + 1))
  }

  slot(row: string, column: string): string {
    return plus(times(row, this.tile + 1), column)
  }

  rows(i: number | View, batch: string, head: string): Rows {
    const view = typeof i === 'number' ? this.context.view(i)! : i
    const [b, h] = view.strides as [number, number]
    const base = this.body.name(plus(plus(times(batch, b), times(head, h)), u32(view.offset)))
    return { view, base, count: view.shape[2]! }
  }

  load({ view, base }: Rows, row: string, column: string): string {
    const [, , s, d] = view.strides as [number, number, number, number]
    return this.writer.load(view.storage, plus(plus(base, times(row, s)), times(column, d)))
  }

  #stage(block: Block, shared: string, rows: Rows, start: string, column: string): void {
    const { headDim } = this.sizes
    const p = this.writer.newName('p')
    block.nest(`for (var ${p} = lid; ${p} < ${this.tile * this.chunk}u; ${p} += ${this.lanes}u)`, (each) => {
      const r = each.name(`${p} / ${this.chunk}u`)
      const d = each.name(`${p} % ${this.chunk}u`)
      const row = each.name(plus(start, r))
      const at = each.name(plus(column, d))
      const inside = `${row} < ${rows.count}u${headDim % this.chunk === 0 ? '' : ` && ${at} < ${headDim}u`}`
      const x = this.load(rows, each.name(`min(${row}, ${rows.count - 1}u)`), each.name(`min(${at}, ${headDim - 1}u)`))
      each.push(`${shared}[${d} * ${this.tile}u + ${r}] = select(0.0f, ${x}, ${inside});`)
    })
  }

  /** Declares the tile of products left·rightᵀ: scalars `name_i_j` of this invocation. */
  scores(block: Block, name: string, left: Rows, leftStart: string, right: Rows, rightStart: string): void {
    const each = (f: (i: number, j: number) => string) => {
      for (let i = 0; i < this.per; i++) for (let j = 0; j < this.per; j++) block.push(f(i, j))
    }
    each((i, j) => `var ${name}_${i}_${j} = 0.0f;`)
    const c = this.writer.newName('c')
    block.nest(`for (var ${c} = 0u; ${c} < ${this.sizes.headDim}u; ${c} += ${this.chunk}u)`, (loop) => {
      this.#stage(loop, this.#left, left, leftStart, c)
      this.#stage(loop, this.#right, right, rightStart, c)
      loop.push('workgroupBarrier();')
      loop.nest(`for (var d = 0u; d < ${this.chunk}u; d++)`, (step) => {
        for (let i = 0; i < this.per; i++) {
          step.push(`let a${i} = ${this.#left}[d * ${this.tile}u + y + ${i * this.lanesAcross}u];`)
          step.push(`let b${i} = ${this.#right}[d * ${this.tile}u + x + ${i * this.lanesAcross}u];`)
        }
        for (let i = 0; i < this.per; i++)
          for (let j = 0; j < this.per; j++) step.push(`${name}_${i}_${j} = fma(a${i}, b${j}, ${name}_${i}_${j});`)
      })
      loop.push('workgroupBarrier();')
    })
  }

  /** Runs `fill` for each score of this invocation with its row and column in the tile. */
  eachScore(fill: (i: number, j: number, row: string, column: string) => void): void {
    for (let i = 0; i < this.per; i++)
      for (let j = 0; j < this.per; j++) fill(i, j, `(y + ${i * this.lanesAcross}u)`, `(x + ${j * this.lanesAcross}u)`)
  }

  /** Declares sums over a head's columns for this invocation's rows. */
  declareSums(name: string): void {
    this.eachSum((i, at) => this.body.push(`var ${name}_${i}_${at} = 0.0f;`))
  }

  /** Runs `fill` for each sum with its row in the tile and its column in the head. */
  eachSum(fill: (i: number, at: number, row: string, column: string) => void): void {
    for (let i = 0; i < this.per; i++)
      for (let at = 0; at < this.#chunks * this.perChunk; at++) {
        const first = Math.floor(at / this.perChunk) * this.chunk + (at % this.perChunk) * this.lanesAcross
        fill(i, at, `(y + ${i * this.lanesAcross}u)`, `(x + ${first}u)`)
      }
  }

  /** name += tile · rows, the rows being those from `start` on. */
  accumulate(block: Block, name: string, tile: string, rows: Rows, start: string): void {
    for (let c = 0; c < this.#chunks; c++) {
      this.#stage(block, this.#right, rows, start, u32(c * this.chunk))
      block.push('workgroupBarrier();')
      block.nest(`for (var j = 0u; j < ${this.tile}u; j++)`, (step) => {
        for (let i = 0; i < this.per; i++)
          step.push(`let p${i} = ${tile}[${this.slot(`(y + ${i * this.lanesAcross}u)`, 'j')}];`)
        for (let t = 0; t < this.perChunk; t++) {
          step.push(`let v${t} = ${this.#right}[(x + ${t * this.lanesAcross}u) * ${this.tile}u + j];`)
          for (let i = 0; i < this.per; i++) {
            const sum = `${name}_${i}_${c * this.perChunk + t}`
            step.push(`${sum} = fma(p${i}, v${t}, ${sum});`)
          }
        }
      })
      block.push('workgroupBarrier();')
    }
  }

  /** Stores sums as rows from `start` on. */
  storeSums(name: string, output: Rows, start: string, factor?: (row: string) => string): void {
    const { headDim } = this.sizes
    const [, , s, d] = output.view.strides as [number, number, number, number]
    this.eachSum((i, at, row, column) => {
      const r = this.body.name(plus(start, row))
      const place = plus(plus(output.base, times(r, s)), times(column, d))
      const value = factor ? `${name}_${i}_${at} * ${factor(row)}` : `${name}_${i}_${at}`
      this.body.push(
        `if (${r} < ${output.count}u && ${column} < ${headDim}u) { ${this.writer.store(output.view.storage, place, value)} }`,
      )
    })
  }

  /** Brings the visibility of the tile's queries into workgroup memory; call on every new tile of queries. */
  stageVisibility(block: Block, visibility: View, batch: string, start: string): string {
    const shared = this.writer.workgroupArray('seen', 'i32', this.tile * 4)
    const stride = visibility.shape[0] === 1 ? 0 : visibility.strides[0]!
    const p = this.writer.newName('p')
    block.nest(`for (var ${p} = lid; ${p} < ${this.tile * 4}u; ${p} += ${this.lanes}u)`, (each) => {
      const row = each.name(`min(${start} + ${p} / 4u, ${this.sizes.queries - 1}u)`)
      const at = [
        times(batch, stride),
        times(row, visibility.strides[1]!),
        times(`(${p} % 4u)`, visibility.strides[2]!),
        u32(visibility.offset),
      ].reduce(plus)
      each.push(`${shared}[${p}] = ${this.writer.load(visibility.storage, at)};`)
    })
    block.push('workgroupBarrier();')
    return shared
  }

  /** Whether key `key` is seen by the tile's query `row`, query number `query`. */
  sees(query: string, row: string, key: string, shared: string | undefined): string {
    const { queries, keys } = this.sizes
    const exists = `${query} < ${queries}u && ${key} < ${keys}u`
    const placed = placeSees(this.sizes, query, key)
    if (shared === undefined) return [exists, ...placed].join(' && ')
    const [last, first, prefixEnd, branchStart] = [0, 1, 2, 3].map((i) => `${shared}[${row} * 4u + ${i}u]`)
    const k = `i32(${key})`
    const granted = `${k} <= ${last} && ${k} >= ${first} && (${k} < ${prefixEnd} || ${k} >= ${branchStart})`
    return [exists, ...placed, granted].join(' && ')
  }
}

export { lowest }
