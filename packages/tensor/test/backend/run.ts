// The conformance cases as a plain program, for machines without the tests' tools: prints {adapter, passed, failed} as JSON.
import { openWebGpuDevice } from '../../src/backend-webgpu/index'
import { setDefaultDevice } from '../../src/index'
import { cases } from './cases'
import { checkDonated, checkGradients, checkValues } from './compare'
import { checkHalf, halfCases } from './half'
import { checkProduct, products } from './half-products'

const device = await openWebGpuDevice()
setDefaultDevice(device)
const { f16, matrixUnits, subgroupSize } = device.profile

const checks: { case: string; check: () => Promise<void> }[] = [
  ...cases.map((c) => ({ case: `${c.name}: values`, check: () => checkValues(c) })),
  ...cases.map((c) => ({ case: `${c.name}: each input donated`, check: () => checkDonated(c) })),
  ...cases.filter((c) => c.smooth).map((c) => ({ case: `${c.name}: gradients`, check: () => checkGradients(c) })),
  ...(f16 ? halfCases : []).map((c) => ({ case: `${c.name}: f16`, check: () => checkHalf(c) })),
  ...(f16 ? products : []).map((p) => ({ case: `f16 product ${p.name}`, check: () => checkProduct(p) })),
]

const failed: { case: string; error: string }[] = []
for (const { case: name, check } of checks) {
  try {
    await check()
  } catch (error) {
    failed.push({ case: name, error: (error as Error).message })
    console.error(`${name}: ${(error as Error).message}`)
  }
}
const { name, vendor, architecture, description } = device.adapter
const adapter = { name, vendor, architecture, description, f16, matrixUnits, subgroupSize }
console.log(JSON.stringify({ adapter, passed: checks.length - failed.length, failed }, null, 1))
await device.close()
process.exitCode = failed.length > 0 ? 1 : 0
