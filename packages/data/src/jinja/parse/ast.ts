// What a template says, as a tree: statements and the expressions in them.

import type { Value } from '../values'

export type Node =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'print'; readonly expression: Expression }
  | { readonly type: 'if'; readonly test: Expression; readonly body: Block; readonly otherwise: Block }
  | {
      readonly type: 'for'
      readonly target: Target
      readonly iterable: Expression
      readonly test: Expression | undefined
      readonly recursive: boolean
      readonly body: Block
      readonly otherwise: Block
    }
  | { readonly type: 'set'; readonly target: Target; readonly value: Expression }
  | {
      readonly type: 'setBlock'
      readonly target: Target
      readonly body: Block
      readonly filters: Expression | undefined
    }
  | { readonly type: 'macro'; readonly name: string; readonly macro: Macro }
  | { readonly type: 'call'; readonly call: Expression; readonly macro: Macro }
  | { readonly type: 'filter'; readonly body: Block; readonly filters: Expression }
  | {
      readonly type: 'with'
      readonly targets: readonly Target[]
      readonly values: readonly Expression[]
      readonly body: Block
    }
  /** What transformers' `{% generation %}` encloses. */
  | { readonly type: 'scope'; readonly body: Block }
  | { readonly type: 'break' | 'continue' }

export type Block = readonly Node[]

export type Target =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'member'; readonly name: string; readonly key: string }
  | { readonly type: 'targets'; readonly targets: readonly Target[] }

export interface Macro {
  readonly parameters: readonly { readonly name: string; readonly fallback: Expression | undefined }[]
  readonly body: Block
  /** The names `caller`, `varargs` and `kwargs` that the body uses. */
  readonly uses: ReadonlySet<string>
}

export interface Arguments {
  readonly positional: readonly Expression[]
  readonly named: readonly { readonly name: string; readonly value: Expression }[]
  readonly spread: Expression | undefined
  readonly namedSpread: Expression | undefined
}

export const compareOperators = ['==', '!=', '>', '>=', '<', '<=', 'in', 'not in'] as const
export type CompareOperator = (typeof compareOperators)[number]
export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**'

export type Expression =
  | { readonly type: 'constant'; readonly value: Value }
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'list' | 'tuple' | 'concat'; readonly items: readonly Expression[] }
  | { readonly type: 'dict'; readonly entries: readonly (readonly [key: Expression, value: Expression])[] }
  | {
      readonly type: 'conditional'
      readonly test: Expression
      readonly value: Expression
      readonly otherwise: Expression | undefined
    }
  | { readonly type: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly type: 'not' | 'negative' | 'positive'; readonly operand: Expression }
  | {
      readonly type: 'binary'
      readonly operator: BinaryOperator
      readonly left: Expression
      readonly right: Expression
    }
  | {
      readonly type: 'compare'
      readonly left: Expression
      readonly rest: readonly { readonly operator: CompareOperator; readonly operand: Expression }[]
    }
  | { readonly type: 'attribute'; readonly object: Expression; readonly name: string }
  | { readonly type: 'item'; readonly object: Expression; readonly key: Expression }
  | {
      readonly type: 'slice'
      readonly object: Expression
      readonly start: Expression | undefined
      readonly stop: Expression | undefined
      readonly step: Expression | undefined
    }
  | { readonly type: 'invoke'; readonly callee: Expression; readonly args: Arguments }
  /** Without an operand, in `{% filter %}` and block assignments, it is the text of the block. */
  | {
      readonly type: 'filter'
      readonly operand: Expression | undefined
      readonly name: string
      readonly args: Arguments
    }
  | { readonly type: 'test'; readonly operand: Expression; readonly name: string; readonly args: Arguments }
