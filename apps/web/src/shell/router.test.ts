// Addresses there and back.
import { expect, test } from 'vitest'
import { parseRoute, to } from './router'

test.each([
  [to.home, { page: 'home' }],
  [to.newRun(), { page: 'new', from: undefined }],
  [to.newRun('a b'), { page: 'new', from: 'a b' }],
  [to.run('x/y?z'), { page: 'run', id: 'x/y?z' }],
  [to.compare(['a', 'b,c']), { page: 'compare', ids: ['a', 'b,c'] }],
  [to.playground('a'), { page: 'playground', id: 'a' }],
  ['/runs', { page: 'missing', path: '/runs' }],
  ['/runs/a/b', { page: 'missing', path: '/runs/a/b' }],
  ['/runs/%', { page: 'run', id: '%' }],
] as const)('%s', (address, route) => expect(parseRoute(address)).toEqual(route))
