// The op table against the float64 reference, over every op of every case: how inputs are read, which dtypes are refused.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPlanningDevice, referenceGpu } from '../../src/backend-webgpu/index'
import { setDefaultDevice, type OpName } from '../../src/index'
import { isCollective, opRules, readsOf } from '../../src/ir/op'
import { sizeOf } from '../../src/shape'
import { cases } from './cases'
import { checkDTypes, checkReads, keyOfApplied, opsOf, readsElsewhere, type Applied } from './rules'

/** Inputs that kernels read and definitions do not: attention's output, and its log Σ exp, from which kernels make probabilities again. */
const kernelsOnly = new Set(['attentionGrad 3', 'attentionGrad 4'])

const byOp = new Map<OpName, Applied[]>()

beforeAll(() => {
  // Nothing runs: the device is there for tensors to be on.
  setDefaultDevice(openPlanningDevice(referenceGpu))
  const seen = new Set<string>()
  for (const c of cases)
    for (const applied of opsOf(c)) {
      const key = keyOfApplied(applied)
      if (seen.has(key)) continue
      seen.add(key)
      byOp.set(applied.node.op, [...(byOp.get(applied.node.op) ?? []), applied])
    }
})
afterAll(() => void setDefaultDevice(undefined))

const ops = (Object.keys(opRules) as OpName[]).filter((op) => !isCollective(op))

describe.each(ops)('%s', (op) => {
  test('reads as its rule says', () => {
    const all = byOp.get(op)!
    for (const applied of all) checkReads(applied)
    // 'moved' is no excuse: some case shows it, for every input that has more than one element.
    opRules[op].inputs.forEach(({ repeated }, first) => {
      if (readsOf(op, first) === 'same' || kernelsOnly.has(`${op} ${first}`)) return
      const several = all.flatMap((applied) =>
        applied.node.inputs.flatMap(({ aval }, i) =>
          (i === first || (repeated && i > first)) && sizeOf(aval.shape) > 1 ? [{ applied, i }] : [],
        ),
      )
      if (several.length === 0) return
      expect(
        several.some(({ applied, i }) => readsElsewhere(applied, i)),
        `input ${first} is 'moved' in the table, and no case reads it at another place`,
      ).toBe(true)
    })
  })

  test('refuses each dtype that its rule does not name', () => {
    for (const applied of byOp.get(op)!) checkDTypes(applied)
  })
})

test("an input that is said to be read at the 'same' place and is not is found", () => {
  const rope = byOp.get('rope')![0]!
  const { reads } = opRules.rope
  try {
    Object.assign(opRules.rope, { reads: 'same' })
    expect(() => checkReads(rope)).toThrow("opRules.rope says that input 0 is read at the 'same' place")
  } finally {
    Object.assign(opRules.rope, { reads })
  }
})
