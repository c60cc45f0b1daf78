// What to do about a failure: by the kind of refusal, and by what a run's message says.
import { ApiError } from '@jora/gui/client'

/** A sentence on what to do; the server's message says what is wrong. */
export function adviceFor(error: Error): string | undefined {
  if (!(error instanceof ApiError)) return 'Reload the page. If it happens again, it is a fault of JORA’s page.'
  switch (error.code) {
    case 'unreachable':
      return 'Check that “jora gui” is still running in its terminal, and start it again if not. Runs continue without it.'
    case 'unauthenticated':
      return 'Open the address that “jora gui” printed when it started; it signs this browser in.'
    case 'forbidden':
      return 'Only folders that “jora gui” was started with can be used: --root FOLDER adds one.'
    case 'not_found':
      return 'It may have been moved or removed since this page was loaded.'
    case 'conflict':
      return 'Its state has changed meanwhile; what is shown now is up to date.'
    case 'too_large':
      return 'Put the file into one of the folders of “jora gui” instead, and choose it there.'
    case 'too_many':
      return 'Wait a moment and try again.'
    case 'offline':
    case 'bad_request':
    case 'failed':
      return undefined
  }
}

/** Why runs fail most, and what helps: the first pattern that a run's message matches. */
const runAdvice: readonly (readonly [RegExp, readonly string[]])[] = [
  [
    /made with other settings/i,
    ['A checkpoint can be continued only with the settings it was made with: start a new run with the new ones.'],
  ],
  [/ENOSPC|no space left|disk is full/i, ['Free some space on the disk first.']],
  [
    /out of memory|not enough memory|cannot allocate|allocation failed|does not fit|bad_alloc|heap limit/i,
    [
      'Make the batch size or the longest sample smaller: beside the model, these two need the memory.',
      'Switch on “Recompute activations” (advanced settings): slower, and much less memory.',
      'Choose a smaller model.',
    ],
  ],
  [
    /longer than .*(token|position|length)|max-?seq-?length/i,
    ['Allow longer samples, or let long ones be shortened or left out: “Samples that are too long” in the settings.'],
  ],
  [
    /\b(row|line) \d+/i,
    ['Correct the row that the message names, then start the run again: the Data section lists every such row.'],
  ],
  [
    /not finite|\b(loss|norm) is (nan|-?infinity)|diverg/i,
    ['Lower the learning rate, for example to a third.', 'Keep gradient clipping on (1 is usual).'],
  ],
  [/no adapter is called/i, ['Choose one of the GPUs that the page lists, or the CPU.']],
  [
    /webgpu|adapter was lost|device (was )?lost|vulkan/i,
    ['Choose the CPU as the device, or update the driver of the GPU.'],
  ],
]

export function adviceForRun(message: string | null): readonly string[] {
  const found = runAdvice.find(([pattern]) => message !== null && pattern.test(message))
  return found?.[1] ?? ['The end of the log below shows what happened last.']
}
