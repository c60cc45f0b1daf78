// Where a device's program is cut, what travels together and what is shared.
import { describe, expect, test } from 'vitest'
import { add, exp, linear, neg, silu, sum, tanh, type Shape, type Tensor } from '@jora/tensor'
import {
  apply,
  isCollective,
  keyOf,
  removeDeadCode,
  showAval,
  simplify,
  Trace,
  withTrace,
  type Graph,
  type Part,
  type Value,
} from '@jora/tensor/graph'
import { schedule } from './schedule'
import type { Schedule } from './types'

/** A device's program, collectives written by hand. */
function program(shapes: readonly Shape[], fn: (...args: Tensor[]) => Tensor[]): Graph<Tensor> {
  const trace = new Trace()
  return withTrace(trace, () => {
    const outputs = fn(...shapes.map((shape) => trace.addInput({ shape, dtype: 'f32' })))
    return simplify(removeDeadCode(trace.finish(outputs)))
  })
}

const allReduce = (x: Tensor, count = 2, reduction: 'sum' | 'max' = 'sum', axes = ['model']) =>
  apply('allReduce', [x], { axes, count, reduction })
const allGather = (x: Tensor, dim: number, count = 2) => apply('allGather', [x], { axes: ['model'], count, dim })

/** Of each step: the ops it runs and the exchanges it starts. */
const shown = ({ steps }: Schedule): string[] =>
  steps.map(({ segment, exchanges }) =>
    [
      segment?.graph.nodes.map((node) => node.op).join(' ') ?? '',
      ...exchanges.map(({ op, outgoing }) => `${op} ${outgoing.map(({ aval }) => showAval(aval)).join(' ')}`),
    ].join(' | '),
  )

/** What a segment computes, whatever its values are called. */
function text({ graph }: Part): string {
  const ids = new Map<Value, number>()
  const id = (value: Value) => ids.get(value) ?? (ids.set(value, ids.size), ids.size - 1)
  graph.inputs.forEach(id)
  return [
    ...graph.nodes.map((n) => `${n.outputs.map(id).join()}=${n.op}(${n.inputs.map(id).join()})${keyOf(n.params)}`),
    graph.outputs.map(id).join(),
  ].join('\n')
}

describe('a schedule', () => {
  test('cuts a program at its collectives', () => {
    const plan = schedule(program([[4, 4]], (x) => [tanh(allReduce(exp(x)))]))
    expect(shown(plan)).toEqual(['exp | allReduce f32[4,4]', 'add tanh'])
    const [first, second] = plan.steps
    expect(second!.segment!.reads).toEqual(first!.exchanges[0]!.parts)
    expect(second!.segment!.makes).toEqual(plan.outputs)
  })

  test('a program without collectives is one segment', () => {
    const { steps } = schedule(program([[4]], (x) => [neg(exp(x))]))
    expect(steps.flatMap(({ segment }) => segment ?? [])).toHaveLength(1)
    expect(steps.flatMap(({ exchanges }) => exchanges)).toEqual([])
  })

  test('sums that are due together travel as one message; a maximum, or a sum over others, by itself', () => {
    const plan = schedule(
      program([[4], [2, 3], [5]], (a, b, c) => [
        allReduce(exp(a!)),
        allReduce(exp(b!)),
        allReduce(exp(c!), 2, 'max'),
        allReduce(exp(c!), 2, 'sum', ['data']),
      ]),
    )
    expect(plan.steps[0]!.exchanges.map(({ outgoing }) => outgoing.map(({ aval }) => showAval(aval)))).toEqual([
      ['f32[10]'],
      ['f32[5]'],
      ['f32[5]'],
    ])
    expect(plan.outputs.map(({ aval }) => showAval(aval))).toEqual(['f32[4]', 'f32[2,3]', 'f32[5]', 'f32[5]'])
  })

  test('large sums are not copied together', () => {
    const large = [600, 600]
    const plan = schedule(program([large, large], (a, b) => [allReduce(exp(a!)), allReduce(exp(b!))]))
    expect(plan.steps[0]!.exchanges).toHaveLength(2)
  })

  test('sums that nothing waits for are made at the end, together', () => {
    // Gradients of two layers: the first is known a whole exchange earlier.
    const plan = schedule(
      program([[4, 4]], (x) => {
        const early = exp(x!)
        const late = tanh(allReduce(neg(x!)))
        return [allReduce(early), allReduce(late)]
      }),
    )
    expect(plan.steps.map(({ exchanges }) => exchanges.map(({ outgoing }) => showAval(outgoing[0]!.aval)))).toEqual([
      ['f32[4,4]'],
      ['f32[32]'],
      [],
    ])
  })

  test('large sums between more than two devices are made in parts', () => {
    const many = (count: number, shape: Shape) =>
      schedule(program([shape], (x) => [allReduce(exp(x!), count)])).steps.flatMap(({ exchanges }) =>
        exchanges.map(
          ({ op, outgoing, parts }) => `${op} ${outgoing.length} to ${parts.length}, ${showAval(parts[0]!.aval)}`,
        ),
      )
    expect(many(2, [100, 100])).toEqual(['allReduce 1 to 2, f32[100,100]'])
    expect(many(4, [10, 10])).toEqual(['allReduce 1 to 4, f32[10,10]'])
    // One device's part is a quarter, or what has to be added to make it one.
    expect(many(4, [100, 100])).toEqual(['reduceScatter 4 to 4, f32[1,2500]', 'allGather 1 to 4, f32[1,2500]'])
    expect(many(4, [101, 101])).toEqual(['reduceScatter 4 to 4, f32[1,2551]', 'allGather 1 to 4, f32[1,2551]'])
  })

  test('equal layers have equal segments', () => {
    const weights: Shape[] = Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? [8, 4] : [4, 8]))
    const plan = schedule(
      program([[2, 4], ...weights], (x, ...w) => {
        let h = x!
        for (let i = 0; i < 8; i += 2) h = add(h, allReduce(linear(silu(linear(h, w[i]!)), w[i + 1]!)))
        return [h]
      }),
    )
    const segments = plan.steps.flatMap(({ segment }) => (segment ? [text(segment)] : []))
    expect(segments).toHaveLength(5)
    // The first adds nothing yet, the last has no layer after it.
    expect(new Set(segments).size).toBe(3)
  })

  test('a large product that an exchange does not wait for runs meanwhile', () => {
    const of = (rows: number) =>
      schedule(
        program(
          [
            [rows, 1024],
            [1024, 1024],
          ],
          (x, w) => {
            const other = linear(x!, w!)
            return [add(allReduce(exp(x!)), other)]
          },
        ),
      )
    expect(shown(of(512))).toEqual(['exp | allReduce f32[512,1024]', 'dot', 'add add'])
    expect(of(512).steps.map(({ overlaps }) => overlaps)).toEqual([false, true, false])
    expect(of(8).steps.map(({ overlaps }) => overlaps)).toEqual([false, false])
  })

  test('a value dies after the last step that reads it', () => {
    const plan = schedule(
      program([[4], [4], [3]], (x, y) => {
        const sent = exp(x!)
        return [add(allReduce(sent), sent), neg(y!)]
      }),
    )
    const [x, y, unread] = plan.inputs
    const [first, second] = plan.steps
    expect(new Set(first!.dead)).toEqual(new Set([x, y, unread]))
    const { outgoing, parts } = first!.exchanges[0]!
    expect(new Set(second!.dead)).toEqual(new Set([...outgoing, ...parts]))
  })

  test('what is returned is a value of its own', () => {
    const plan = schedule(
      program([[4]], (x) => {
        const y = exp(x!)
        return [y, y, x!]
      }),
    )
    expect(new Set(plan.outputs).size).toBe(3)
    expect(plan.outputs).not.toContain(plan.inputs[0])
  })

  test('numbers are made where they are used', () => {
    const plan = schedule(
      program([[4]], (x) => {
        const one = apply('full', [], { shape: [4], dtype: 'f32', value: 1 })
        return [add(allReduce(add(x!, one)), one)]
      }),
    )
    expect(plan.steps.map(({ segment }) => segment!.graph.nodes.filter(({ op }) => op === 'full')).flat()).toHaveLength(
      2,
    )
    expect(plan.steps[1]!.segment!.reads).toHaveLength(2)
  })

  test('a chain of gathers and sums holds no collective in any segment', () => {
    const plan = schedule(program([[2, 4]], (x) => [sum(allReduce(exp(allGather(exp(x!), 0))))]))
    expect(shown(plan)).toEqual(['exp | allGather f32[2,4]', 'concat exp | allReduce f32[4,4]', 'add sum'])
    expect(plan.steps.some(({ segment }) => segment!.graph.nodes.some(({ op }) => isCollective(op)))).toBe(false)
  })
})
