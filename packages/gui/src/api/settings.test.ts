// Requests' settings, made of the table of settings.
import { expect, test } from 'vitest'
import { settings, types, type Settings } from '@jora/lora/settings'
import { schemaOf, settingsDefaults, settingsSchema } from './settings'
import { z } from './zod'

const added = {
  ...settings,
  loftSteps: {
    type: types.integer(1, 9),
    fallback: 3,
    help: 'steps of the loft',
    label: 'Steps of the loft',
    about: 'How many.',
    group: 'adapter',
  },
} as const satisfies Settings

test('a setting that is added is taken in requests, and held to its type', () => {
  const schema = z.strictObject(schemaOf<typeof added>(added))
  expect(schema.parse({ model: '/m', loftSteps: 4 })).toEqual({ model: '/m', loftSteps: 4 })
  expect(schema.safeParse({ model: '/m', loftSteps: 10 }).error?.issues).toMatchObject([
    { path: ['loftSteps'], message: 'expected an integer from 1 to 9' },
  ])
})

const wrong = (change: object) => settingsSchema.safeParse({ model: '/m', dataset: '/d', ...change }).error?.issues[0]

test.each([
  [{ loraR: NaN }, 'loraR', 'expected an integer ≥ 1'],
  [{ loraR: '8' }, 'loraR', 'expected an integer ≥ 1'],
  [{ loraR: 1_000_000 }, 'loraR', 'expected an integer from 1 to 16384'],
  [{ learningRate: null }, 'learningRate', 'expected a number > 0'],
  [{ lrScheduler: 'cos' }, 'lrScheduler', 'expected cosine, linear, constant, cosine_with_restarts or wsd'],
  [{ alpacaMixFile: '/a\nb' }, 'alpacaMixFile', 'expected text without control characters'],
  [{ gpu: 'x'.repeat(201) }, 'gpu', 'expected at most 200 characters'],
  [{ model: 3 }, 'model', 'expected DIR or hub id'],
])('%j is refused in plain words', (change, field, message) => {
  expect(wrong(change)).toMatchObject({ path: [field], message })
})

test('defaults go by the names of requests, and what the page does not have is refused', () => {
  expect(settingsDefaults).toMatchObject({ numEpochs: 7, lrScheduler: 'cosine', loraR: 16, shuffle: true })
  expect(wrong({ launcher: 'mpi' })?.code).toBe('unrecognized_keys')
  expect(wrong({ rankPattern: {} })?.code).toBe('unrecognized_keys')
})
