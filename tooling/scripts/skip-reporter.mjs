// A vitest reporter that closes the run: every skipped test by name under its reason, then `N passed, N failed, N skipped`.
//
// A test says why it is skipped in one of two ways:
//   test('…', (ctx) => { ctx.skip(!hasShared, 'needs ../shared'); … })      also in a beforeEach, for a whole suite
//   describe.skipIf(!hasMpi)('allreduce (needs Open MPI)', …)               the words in brackets are the reason
// A skip without a reason fails the run: nobody could tell whether it is meant.

/** The reason written into a test's or its suite's name: `… (needs Open MPI)`. */
const reasonInName = /\((needs [^()]+)\)/

export default class SkipReporter {
  /** @param {import('vitest/node').Vitest} vitest */
  onInit(vitest) {
    this.vitest = vitest
  }

  /**
   * @param {readonly import('vitest/node').TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    /** @type {Map<string, string[]>} */
    const byReason = new Map()
    const filtered = this.vitest?.config.testNamePattern !== undefined
    for (const module of modules) {
      if (module.errors().length > 0) count.failed++
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === 'passed') count.passed++
        if (result.state === 'failed') count.failed++
        if (result.state !== 'skipped' && result.state !== 'pending') continue
        count.skipped++
        const reason =
          result.state === 'skipped' ? (result.note ?? reasonInName.exec(test.fullName)?.[1] ?? '') : 'not run'
        byReason.set(reason, [...(byReason.get(reason) ?? []), `${module.relativeModuleId} > ${test.fullName}`])
      }
    }

    const lines = []
    // `vitest -t name` skips all the others: they are counted, not explained.
    if (!filtered) {
      const unexplained = byReason.get('')?.length ?? 0
      if (byReason.size > 0) lines.push('Skipped:')
      for (const [reason, tests] of [...byReason].sort(([a], [b]) => a.localeCompare(b))) {
        lines.push(`  ${reason || 'NO REASON GIVEN'} (${tests.length})`, ...tests.map((name) => `    ${name}`))
      }
      if (unexplained > 0) {
        lines.push(
          `${unexplained} skipped without a reason: say it with ctx.skip(condition, reason), see tooling/scripts/skip-reporter.mjs`,
        )
        process.exitCode = 1
      }
    }
    lines.push(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
    console.log(`\n${lines.join('\n')}`)
  }
}
