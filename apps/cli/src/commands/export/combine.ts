// jora combine: several adapters of one model as one.
import type { Command } from 'commander'
import { baseOfAdapter, combineAdapterFolders } from '@jora/lora'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { choice, expected, integer, required, text, withDefault, type Flag, type ValuesOf } from '../../flags/flag'
import { baseFlag } from '../../flags/model-flags'
import type { Session } from '../../io'
import { describeBase } from '../../open-base'
import { plural, shellWord } from '../../ui/format'
import { program } from '../../ui/next-command'
import { styleFor } from '../../ui/style'

interface Weighted {
  readonly folder: string
  readonly weight: number
}

const adaptersFlag: Flag<readonly Weighted[] | undefined> = {
  help: 'folder of an adapter, and how much of it is taken (1 when left out; below 0 takes it away); given once for each',
  placeholder: 'DIR:WEIGHT',
  join: (first = [], second = []) => [...first, ...second],
  parse(value) {
    const [, folder = '', weight] = /^(.+?)(?::([-+]?[\d.]+(?:e[-+]?\d+)?))?$/i.exec(value) ?? []
    const number = weight === undefined ? 1 : Number(weight)
    if (folder === '' || !Number.isFinite(number)) throw expected('a folder and a number, such as my-adapter:0.7')
    return [{ folder, weight: number }]
  },
}

const flags = {
  adapter: required(adaptersFlag),
  model: baseFlag,
  method: withDefault(
    choice('cat is exact, ranks add up; svd is the nearest of --rank; linear adds A to A and B to B, which is rough', [
      'cat',
      'svd',
      'linear',
    ]),
    'cat',
  ),
  rank: integer('svd: rank of the result', 1, { shown: 'the largest of the adapters’' }),
  outputDir: required(text('where the adapter goes, in PEFT’s layout', 'DIR')),
}

export function registerCombine(parent: Command, io: Session): void {
  defineCommand(parent, io, {
    name: 'combine',
    flags,
    examples: [
      'combine --adapter law:0.7 --adapter style:0.3 --output-dir both',
      'combine --adapter new --adapter old:-1 --method svd --rank 16 --output-dir learned-since',
    ],
    run: combine,
  })
}

async function combine(
  { adapter: inputs, model: named, method, rank, outputDir }: ValuesOf<typeof flags>,
  { io, json }: CommandContext<typeof flags>,
): Promise<void> {
  const model = named ?? (await baseOfAdapter(inputs[0]!.folder)).model
  const { config: sizes } = await describeBase(model, io)
  const baseModel = named === undefined ? {} : { baseModel: named }
  const { config, modules } = await combineAdapterFolders({
    inputs,
    model: sizes,
    outputDir,
    method,
    rank,
    ...baseModel,
  })
  if (json) {
    io.stdout.write(`${JSON.stringify({ outputDir, r: config.r, alpha: config.alpha, modules })}\n`)
    return
  }
  const style = styleFor(io.stderr, io.env)
  io.stderr.write(
    `${style.green('done')}   ${plural(inputs.length, 'adapter')} combined (${method}): ${plural(modules.length, 'module')}, rank ${config.r}\n\n` +
      `The adapter is in ${style.bold(outputDir)}. Next:\n  ${style.cyan(`${program(io)} generate --model ${shellWord(model)} --adapter ${shellWord(outputDir)} --prompt "…"`)}\n`,
  )
}
