// jora doctor: what this machine has of what JORA can use, with the way to each missing part.
import type { Command } from 'commander'
import { checks, type Finding, type Health } from '../doctor/checks'
import { defineCommand } from '../flags/define-command'
import type { Session } from '../io'
import { styleFor, type Style } from '../ui/style'

const marks: Record<Health, (style: Style) => string> = {
  ok: (style) => style.green('✓'),
  limited: (style) => style.yellow('–'),
  missing: (style) => style.red('✗'),
}

export function registerDoctor(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'doctor',
    flags: {},
    examples: ['doctor', 'doctor --json'],
    run: async (_values, { json }) => {
      const style = styleFor(io.stdout, io.env)
      const found: ({ name: string; required: boolean } & Finding)[] = []
      for (const check of checks) {
        const finding = { name: check.name, required: check.required === true, ...(await check.find()) }
        found.push(finding)
        if (json) continue
        io.stdout.write(`${marks[finding.health](style)} ${finding.name.padEnd(11)}  ${finding.found}\n`)
        if (finding.fix !== undefined) io.stdout.write(`  ${' '.repeat(11)}  ${style.dim(finding.fix)}\n`)
      }
      const lacking = found.filter(({ required, health }) => required && health === 'missing').map(({ name }) => name)
      if (json) io.stdout.write(`${JSON.stringify({ ready: lacking.length === 0, checks: found })}\n`)
      if (lacking.length > 0) throw new Error(`JORA cannot run here without: ${lacking.join(', ')}`)
      if (!json) io.stdout.write(`\nJORA runs here.\n`)
    },
  })
}
