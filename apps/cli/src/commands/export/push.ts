// jora push: an adapter, a model or GGUF files to the Hugging Face Hub.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { modelCard, pushToHub, readCardInfo } from '@jora/hf-export'
import { hubClient } from '@jora/llama'
import { Interrupted } from '../../errors'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { checked, expected, required, text, toggle, withDefault, type ValuesOf } from '../../flags/flag'
import { interruptible } from '../../interrupt'
import type { Session } from '../../io'
import { PushDisplay } from '../../ui/push-display'
import { styleFor } from '../../ui/style'

const hubId = (help: string) =>
  checked(help, 'USER/NAME', (value) => {
    if (!value.includes('/') || !hubClient.isModelId(value))
      throw expected('USER/NAME, of letters, digits, "-", "_" and "."')
  })

const flags = {
  input: required(text('what to push: the folder of an adapter, a merged model or GGUF, or one file', 'DIR|FILE')),
  repoId: required(hubId('repository on the Hub; created if it does not exist')),
  public: toggle('make a new repository public (an existing one stays as it is)'),
  revision: withDefault(text('branch to push to', 'BRANCH'), 'main'),
  commitMessage: text('first line of the commit', 'TEXT', { shown: 'Upload with JORA' }),
  createPr: toggle('open a pull request instead of changing the branch'),
  baseModel: hubId('base model for a new model card, where the folder does not name it'),
  dryRun: toggle('show what would be pushed, and change nothing'),
}

export function registerPush(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'push',
    flags,
    examples: [
      'push --input out --repo-id me/llama-notes-lora --dry-run',
      'push --input merged --repo-id me/llama-notes --public --base-model meta-llama/Llama-3.2-1B',
    ],
    run: push,
  }).addHelpText(
    'after',
    '\nThe token comes from HF_TOKEN, or from `hf auth login`. A push that was interrupted can be continued: start it again.\n',
  )
}

async function push(values: ValuesOf<typeof flags>, { io, json }: CommandContext<typeof flags>): Promise<void> {
  const { input, repoId: repo, revision, commitMessage, createPr: createPullRequest, baseModel, dryRun } = values
  const style = styleFor(io.stderr, io.env)
  const display = new PushDisplay(io)
  const { signal, release } = interruptible(io, () => display.log(style.yellow('stopping (again to stop at once)')))
  try {
    const isFile = (await stat(input).catch(() => undefined))?.isFile() ?? false
    // A single file joins what is there, which has a card of its own.
    const card = isFile ? undefined : modelCard(await readCardInfo(input, { repo, baseModel }))
    if (baseModel !== undefined && !isFile && (await stat(join(input, 'README.md')).catch(() => undefined)))
      display.log(style.yellow('note: README.md of the folder is kept as it is: --base-model is for a new one'))
    const result = await pushToHub({
      ...(isFile ? { files: [input] } : { folder: input }),
      repo,
      revision,
      commitMessage,
      createPullRequest,
      dryRun,
      card,
      private: !values.public,
      env: { ...io.env },
      signal,
      onProgress: (event) => display.show(event),
    })
    display.close()
    if (json) return void io.stdout.write(`${JSON.stringify(result)}\n`)
    display.done(result)
  } catch (error) {
    display.close()
    if (signal.aborted || display.committed > 0) display.stays(repo)
    throw signal.aborted ? new Interrupted('stopped') : error
  } finally {
    release()
    display.close()
  }
}
