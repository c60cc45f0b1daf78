// jora merge: base model and adapter as one Hugging Face model.
import type { Command } from 'commander'
import { mergeAdapter } from '@jora/hf-export'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { choice, required, text, type ValuesOf } from '../../flags/flag'
import type { Session } from '../../io'
import { adapterFlag, modelFlag } from '../../flags/model-flags'
import { describeBase } from '../../open-base'
import { program } from '../../ui/next-command'
import { bytes, plural, shellWord } from '../../ui/format'
import { bar, StatusLine } from '../../ui/status-line'
import { styleFor } from '../../ui/style'

const flags = {
  model: modelFlag,
  adapter: required(adapterFlag),
  outputDir: required(text('where the merged model goes', 'DIR')),
  dtype: choice('number format of the weights', ['f32', 'f16', 'bf16'], { shown: 'as the base model has them' }),
}

export function registerMerge(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'merge',
    flags,
    examples: ['merge --model models/llama --adapter out --output-dir merged'],
    run: merge,
  })
}

async function merge(
  { model, adapter, outputDir, dtype }: ValuesOf<typeof flags>,
  { io, json }: CommandContext<typeof flags>,
): Promise<void> {
  const { ref } = await describeBase(model, io)
  const style = styleFor(io.stderr, io.env)
  const line = new StatusLine(io.stderr)
  const onProgress = (done: number, total: number) =>
    line.show(`${bar(done / total, 24, style)}  merging ${done}/${total}`)
  try {
    const result = await mergeAdapter({
      modelDir: ref.dir,
      adapterDir: adapter,
      outputDir,
      onProgress,
      ...(dtype === undefined ? {} : { dtype }),
    })
    line.clear()
    if (json) {
      io.stdout.write(`${JSON.stringify(result)}\n`)
      return
    }
    line.log(
      `${style.green('done')}   ${plural(result.mergedModules, 'module')} merged, ${plural(result.files.length, 'file')}, ${bytes(result.totalBytes)}`,
    )
    line.log(
      `\nThe model is in ${style.bold(outputDir)}. Next:\n  ${style.cyan(`${program(io)} generate --model ${shellWord(outputDir)} --prompt "…"`)}`,
    )
  } finally {
    line.clear()
  }
}
