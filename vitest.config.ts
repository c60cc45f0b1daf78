import { defineConfig } from 'vitest/config'

// Tests run from source: the `@jora/source` export condition resolves every @jora package to its src/.
export default defineConfig({
  resolve: { conditions: ['@jora/source'] },
  ssr: { resolve: { conditions: ['@jora/source'], externalConditions: ['@jora/source'] } },
  test: {
    include: ['packages/*/{src,test}/**/*.test.ts', 'apps/*/{src,test}/**/*.test.ts', 'examples/**/*.test.ts', 'tooling/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
})
