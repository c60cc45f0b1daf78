// jora quickstart: the main job on the bundled model and data.
import type { Command } from 'commander'

export function registerQuickstart(program: Command): void {
  program
    .command('quickstart')
    .description('train, evaluate and try a small adapter on the bundled model')
    .action(() => {
      throw new Error('quickstart is not built yet')
    })
}
