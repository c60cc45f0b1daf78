// jora devices: what training can run on.
import { availableParallelism, cpus, totalmem } from 'node:os'
import type { Command } from 'commander'
import { defineCommand } from '../flags/define-command'
import type { Session } from '../io'
import { bytes, plural } from '../ui/format'
import { styleFor } from '../ui/style'

export function registerDevices(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'devices',
    summary: 'list what models can run on',
    flags: {},
    examples: ['devices --json'],
    run: async (_values, { json }) => {
      const cpu = {
        kind: 'cpu',
        name: cpus()[0]?.model.trim() || 'CPU',
        cores: availableParallelism(),
        memoryBytes: totalmem(),
      }
      if (json) {
        io.stdout.write(`${JSON.stringify({ devices: [cpu], default: 'cpu' })}\n`)
        return
      }
      const style = styleFor(io.stdout, io.env)
      io.stdout.write(
        `${style.bold('cpu')}     ${cpu.name}, ${plural(cpu.cores, 'core')}, ${bytes(cpu.memoryBytes)} memory\n`,
      )
      io.stdout.write(`${style.dim('webgpu  not in this version; GPUs come with a later one')}\n`)
    },
  })
}
