// Without the optional runtime, opening a CPU device says in one sentence what to install.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { requireRuntime } from '../src/backend-onnx/process/runtime'

test('the runtime that is installed is found, and is the one that the message names', () => {
  expect(() => requireRuntime()).not.toThrow()
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }
  const missing = () => {
    throw new Error('Cannot find module')
  }
  expect(() => requireRuntime(missing)).toThrow(`npm install --ignore-scripts onnxruntime-node@${version} `)
})

test('it is a peer that npm does not install by itself', () => {
  const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as Record<string, Record<string, unknown> | undefined>
  for (const name of ['onnxruntime-node', 'webgpu']) {
    expect(dependencies?.[name]).toBeUndefined()
    expect(peerDependencies?.[name]).toBeDefined()
    expect(peerDependenciesMeta?.[name]).toEqual({ optional: true })
  }
})
