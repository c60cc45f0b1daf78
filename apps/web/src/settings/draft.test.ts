// From what is typed to a request, and back.
import { describe, expect, test } from 'vitest'
import type { SettingsDefaults } from '@jora/gui/client'
import { draftOf, draftReducer, emptyDraft, parseDraft, typedOf, type Draft } from './draft'
import { inOrder, labelOf } from './fields'
import { flatten, show } from './show'

const chosen: Draft = { ...emptyDraft, model: '/m', dataset: '/d.jsonl' }
const defaults: SettingsDefaults = { loraR: 16, targetModules: ['q_proj', 'v_proj'], shuffle: true, learningRate: 1e-4 }

describe('parseDraft', () => {
  test('nothing typed: model and data alone, the rest is the server’s default', () => {
    expect(parseDraft(chosen)).toEqual({ settings: { model: '/m', dataset: '/d.jsonl' }, errors: {} })
  })
  test('without model or data there is no request, but errors are told', () => {
    expect(parseDraft({ ...emptyDraft, typed: { loraR: '0' } })).toEqual({
      settings: undefined,
      errors: { loraR: 'Expected an integer ≥ 1.' },
    })
  })
  test('every kind of control becomes its type; emptied ones become the default', () => {
    const typed = {
      loraR: '8',
      learningRate: '2e-4',
      targetModules: 'q_proj,  k_proj',
      shuffle: 'false',
      lrScheduler: 'linear',
      maxSteps: '1 000',
      seed: '',
    }
    expect(parseDraft({ ...chosen, typed }).settings).toEqual({
      model: '/m',
      dataset: '/d.jsonl',
      loraR: 8,
      learningRate: 0.0002,
      targetModules: ['q_proj', 'k_proj'],
      shuffle: false,
      lrScheduler: 'linear',
      maxSteps: 1000,
    })
  })
  test.each([
    ['loraR', '1.5'],
    ['learningRate', '0'],
    ['learningRate', 'fast'],
    ['split', '1.2'],
    ['loraDropout', '1'],
    ['mesh', 'data=0'],
    ['deviceMemory', 'much'],
    ['targetModules', 'q_proj; rm'],
  ] as const)('%s cannot be %s', (key, text) => {
    const { settings, errors } = parseDraft({ ...chosen, typed: { [key]: text } })
    expect(settings).toBeUndefined()
    expect(errors[key]).toMatch(/^[A-Z].*\.$/)
  })
})

describe('draftReducer', () => {
  test('what is typed back to the default is no change; reset takes back', () => {
    const set = (draft: Draft, text: string) => draftReducer(draft, { type: 'set', key: 'loraR', text, fallback: '16' })
    expect(set(emptyDraft, '8').typed).toEqual({ loraR: '8' })
    expect(set(set(emptyDraft, '8'), '16').typed).toEqual({})
    expect(draftReducer(set(emptyDraft, '8'), { type: 'reset', keys: ['loraR'] }).typed).toEqual({})
  })
})

test('the settings of a run make the draft that makes them', () => {
  const settings = { model: '/m', dataset: '/d', loraR: 32, shuffle: true, targetModules: ['all-linear'] }
  const draft = draftOf(settings, defaults)
  expect(draft.typed).toEqual({ loraR: '32', targetModules: 'all-linear' })
  expect(parseDraft(draft).settings).toEqual({ model: '/m', dataset: '/d', loraR: 32, targetModules: 'all-linear' })
  expect(typedOf('loraR', undefined)).toBe('')
})

test('names of requests and of run.json have the same labels', () => {
  expect([labelOf('epochs'), labelOf('numEpochs')]).toEqual(['Passes over the data', 'Passes over the data'])
  expect(labelOf('totalSteps')).toBe('Total steps')
})

test('settings of run.json stand in the order of the table', () => {
  const entries = ['zeta', 'loraR', 'epochs', 'modelPath', 'omega'].map((key) => [key, 0] as const)
  expect(inOrder(entries).map(([key]) => key)).toEqual(['modelPath', 'loraR', 'epochs', 'zeta', 'omega'])
})

test('nested values, flat', () => {
  expect(flatten({ a: 1, b: { c: 'x', d: { e: [1, 2] }, f: null }, g: [] })).toEqual([
    [['a'], 1],
    [['b', 'c'], 'x'],
    [
      ['b', 'd', 'e'],
      [1, 2],
    ],
  ])
})

test('values as text', () => {
  expect([show(null), show(true), show(['a', 'b']), show({ q: 4 }), show([])]).toEqual([
    '–',
    'yes',
    'a, b',
    'q: 4',
    '–',
  ])
})
