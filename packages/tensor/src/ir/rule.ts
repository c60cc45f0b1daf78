// What a rule of an op says: the dtypes of its inputs, how it reads their elements, the shapes of its outputs.
import type { DType } from '../dtype'
import { fail } from '../errors'
import { sameShape, showShape, type Shape } from '../shape'

/** What is known of a value before it runs: shape and element type. */
export interface Aval {
  readonly shape: Shape
  readonly dtype: DType
}

/** Parameters of an op that has none. */
export type None = Record<never, never>

/** The dtypes an input may have. */
export interface DTypes {
  readonly of: readonly DType[]
  /** What messages call the input; its number when absent. */
  readonly name?: string
  /** Has the dtype of the op's other inputs that are marked so. */
  readonly alike?: true
  /** May be left out; then nothing follows it. */
  readonly optional?: true
  /** Stands for any number of inputs, at least one. */
  readonly repeated?: true
}

/** What is computed in; bf16 is storage only. */
export const float: DTypes = { of: ['f32', 'f16'] }
export const f32: DTypes = { of: ['f32'] }
export const i32: DTypes = { of: ['i32'] }
export const u32: DTypes = { of: ['u32'] }
/** Codes of quantised weights: storage only. */
export const u8: DTypes = { of: ['u8'] }
export const bool: DTypes = { of: ['bool'] }
export const signed: DTypes = { of: ['f32', 'f16', 'i32'] }
export const number: DTypes = { of: ['f32', 'f16', 'i32', 'u32'] }
export const comparable: DTypes = { of: ['f32', 'f16', 'i32', 'u32', 'bool'] }
export const any: DTypes = { of: ['f32', 'f16', 'bf16', 'i32', 'u32', 'u8', 'bool'] }

export const alike = (dtypes: DTypes): DTypes => ({ ...dtypes, alike: true })
export const optional = (dtypes: DTypes): DTypes => ({ ...dtypes, optional: true })
export const repeated = (dtypes: DTypes): DTypes => ({ ...dtypes, repeated: true })
export const named = (name: string, dtypes: DTypes): DTypes => ({ ...dtypes, name })

/**
 * Which elements of an input an element of the outputs is computed from. `same`: the one at its own place (by flat index,
 * or as broadcasting reads it), so that the output may take the input's memory. `moved`: others too.
 */
export type Reads = 'same' | 'moved'

/** What an op means to those who only plan: what goes in, how it is read, what comes out. `P`: its parameters. */
export interface OpRule<P> {
  /** Checked before `shape` is asked. */
  readonly inputs: readonly DTypes[]
  /** One for all inputs, or one an input, the last for those that follow. */
  readonly reads: Reads | readonly Reads[]
  /** From the inputs' avals to the outputs'. Throws a TensorError that says what came and what was expected. */
  shape(inputs: readonly Aval[], params: P, op: string): readonly Aval[]
}

/** The rules of a family of ops, by name. */
export type OpRules<Params> = { readonly [K in keyof Params]: OpRule<Params[K]> }

/** Input `index`, which the rule's `inputs` say is there. */
export const input = (inputs: readonly Aval[], index: number): Aval =>
  inputs[index] ?? fail('inferAvals', `input ${index} is missing`)

/** The first input's shape and dtype. */
export const likeFirst = (inputs: readonly Aval[]): readonly Aval[] => [input(inputs, 0)]

const showDTypes = (dtypes: readonly DType[]): string =>
  dtypes.length === 1 ? dtypes[0]! : `${dtypes.slice(0, -1).join(', ')} or ${dtypes.at(-1)}`

function checkCount(op: string, rules: readonly DTypes[], count: number): void {
  const least = rules.filter((rule) => !rule.optional).length
  const most = rules.at(-1)?.repeated ? Infinity : rules.length
  if (count >= least && count <= most) return
  const expected = least === most ? `${least}` : most === Infinity ? `at least ${least}` : `${least} to ${most}`
  fail(op, `got ${count} inputs, expected ${expected}`)
}

/** @throws TensorError when an input is missing, too many, or not of a dtype that its rule names */
export function checkInputs(op: string, rules: readonly DTypes[], inputs: readonly Aval[]): void {
  checkCount(op, rules, inputs.length)
  let shared: { readonly dtype: DType; readonly who: string } | undefined
  inputs.forEach(({ dtype }, i) => {
    const rule = rules[i] ?? rules.at(-1)!
    const who = rule.name ?? `input ${i}`
    if (!rule.of.includes(dtype)) {
      const advice = dtype === 'bf16' || dtype === 'bool' ? '; cast it first' : ''
      fail(op, `the dtype of ${who} is ${dtype}, expected ${showDTypes(rule.of)}${advice}`)
    }
    if (!rule.alike) return
    shared ??= { dtype, who }
    if (dtype !== shared.dtype)
      fail(op, `the dtype of ${who} is ${dtype}, expected ${shared.dtype}, that of ${shared.who}`)
  })
}

/** @throws TensorError when `aval` has another shape than `shape` */
export function expectShape(op: string, what: string, aval: Aval, shape: Shape): void {
  if (!sameShape(aval.shape, shape))
    fail(op, `${what} has shape ${showShape(aval.shape)}, expected ${showShape(shape)}`)
}
