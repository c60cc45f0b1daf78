// Flags made of a table of settings.
import { expect, test } from 'vitest'
import { settings, types, type Settings } from '@jora/lora/settings'
import { flagsOf, headedFlags, settingFlags } from './setting-flags'

const added = {
  ...settings,
  loftSteps: {
    type: types.integer(1, 9),
    fallback: 3,
    aliases: ['loft'],
    help: 'steps of the loft',
    label: 'Steps of the loft',
    about: 'How many.',
    group: 'adapter',
  },
} as const satisfies Settings

test('a setting that is added is a flag', () => {
  const { loftSteps, learningRate } = flagsOf<typeof added>(added)
  expect(loftSteps).toMatchObject({
    help: 'steps of the loft',
    placeholder: 'N',
    shown: '3',
    fallback: 3,
    aliases: ['loft'],
  })
  expect(loftSteps.parse('7')).toBe(7)
  expect(() => loftSteps.parse('10')).toThrow('an integer from 1 to 9')
  expect(learningRate.parse('2e-4')).toBe(2e-4)
})

test('names, switches and what is absent', () => {
  expect(settingFlags.numEpochs.aliases).toEqual(['epochs', 'num-train-epochs'])
  expect(settingFlags.shuffle).toMatchObject({ negated: true, fallback: true })
  expect(settingFlags.model.required).toBe(true)
  expect(settingFlags.evalEvery).toMatchObject({ shown: 'each epoch' })
  expect(settingFlags.evalEvery.fallback).toBeUndefined()
  expect(headedFlags.loraR.group).toBe('Adapter:')
})
