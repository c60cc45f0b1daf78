// Tests run from source: the `@jora/source` export condition resolves every @jora package to its src/.
import { defineConfig } from 'vitest/config'
import SlowFirst from './tooling/scripts/slow-first.mjs'

const source = ['@jora/source']

export default defineConfig({
  resolve: { conditions: source },
  ssr: { resolve: { conditions: source, externalConditions: source } },
  test: {
    include: [
      'packages/*/{src,test}/**/*.test.ts',
      'apps/*/{src,test}/**/*.test.ts',
      'examples/**/*.test.ts',
      'tooling/**/*.test.ts',
    ],
    // The skip reporter comes last: it names what was skipped and why, and its last line counts.
    reporters: [
      'default',
      ...(process.env.GITHUB_ACTIONS ? ['github-actions'] : []),
      './tooling/scripts/skip-reporter.mjs',
    ],
    // Software Vulkan compiles shaders for minutes where its cache is cold and other tests run beside it.
    retry: process.env.CI ? 1 : 0,
    // The workers share the cores: two threads of a product beside another worker's would wait for each other. What is about
    // threads asks for them itself.
    env: { OMP_NUM_THREADS: '1' },
    // Most code of a test runs for seconds: V8 took a fifth of their processor time for optimising what had ended by then.
    execArgv: ['--interrupt-budget=1000000'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // One more than the suite is made for: tests that start processes, devices and browsers wait for much of their time.
    maxWorkers: 3,
    // A worker's files share their modules: importing them anew for each took 15 % of the time of @jora/data's. What a file
    // sets (the default device, the environment, hooks of a helper) it sets for itself and takes back.
    isolate: false,
    sequence: { sequencer: SlowFirst },
  },
})
