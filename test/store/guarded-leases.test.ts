import diagnostics from 'node:diagnostics_channel'
import { test, type Test } from 'tap'
import type { LeaseAnswer, Leases } from '../../lib/leases.ts'
import type { StoreStateMessage } from '../../lib/store/store-health.ts'
import type { Store } from '../../lib/store/store.ts'
import { cached, open, said, until, type Site } from '../freshness/scene.ts'
import { plainStore } from './plain-store.ts'

/*
 * A store of the user's may offer leases that do not do what they promise. They save work and nothing else: a route answers without.
 */

/** A store of the user's that keeps entries as it should, with these leases. */
function storeWith (leases: unknown): Store {
  return { ...plainStore(), leases: leases as Leases }
}

/** What the process would end for. */
function unheardRejections (t: Test): unknown[] {
  const rejections: unknown[] = []
  const note = (fault: unknown): void => { rejections.push(fault) }
  process.on('unhandledRejection', note)
  t.teardown(() => { process.off('unhandledRejection', note) })
  return rejections
}

async function openWith (t: Test, leases: unknown): Promise<Site> {
  let runs = 0
  return await open(t, (app) => {
    const lock = { waitMs: 30, leaseMs: 100 }
    app.get('/locked', cached({ lock }), async () => `made ${++runs}`)
    app.get('/in-time', cached({ lock, hardTimeout: '10s' }), async () => `made ${++runs}`)
    app.get('/hasty', cached({ lock, hardTimeout: '40ms' }), async () => `made ${++runs}`)
    app.get('/failing', cached({ lock, staleIfError: '1h' }), async (_request, reply) => reply.code(503).send('down'))
  }, { cache: { store: storeWith(leases), timeouts: { read: '20ms', write: '20ms' } } })
}

function granted (lease: unknown): { acquire: () => Promise<LeaseAnswer> } {
  return { acquire: async () => ({ outcome: 'granted', lease }) as LeaseAnswer }
}

const hanging = (): Promise<never> => new Promise(() => {})

const broken: Record<string, unknown> = {
  'are refused with an error': { acquire: async () => { throw new Error('away') } },
  'throw at once': { acquire () { throw new Error('away') } },
  'are answered with nothing': { acquire: async () => undefined },
  'are answered with null': { acquire: async () => null },
  'are answered with a text': { acquire: async () => 'granted' },
  'are answered at once, not by a promise': { acquire: () => ({ outcome: 'held' }) },
  'are answered with an unknown outcome': { acquire: async () => ({ outcome: 'who knows' }) },
  'are granted without a lease': granted(undefined),
  'are granted with a lease that has nothing': granted({}),
  'cannot say whether they are lost': granted({ get isLost () { throw new Error('away') }, release: async () => {} }),
  'reject when they are released': granted({ isLost: false, release: async () => { throw new Error('away') } }),
  'throw when they are released': granted({ isLost: false, release () { throw new Error('away') } }),
  'give back nothing when they are released': granted({ isLost: false, release () {} }),
  'are never released': granted({ isLost: false, release: hanging }),
  'ended in no way': { acquire: async () => ({ outcome: 'ended' }) },
  'always ended well, with nothing in the store': { acquire: async () => ({ outcome: 'ended', how: 'stored' }) },
  'ended in an unknown way': { acquire: async () => ({ outcome: 'ended', how: 'well' }) },
  'rest for nobody knows how long': { acquire: async () => ({ outcome: 'resting' }) },
  'rest for NaN milliseconds': { acquire: async () => ({ outcome: 'resting', forMs: NaN }) },
  'are no function': { acquire: 'no' },
  'have nothing': {}
}

for (const [title, leases] of Object.entries(broken)) {
  test(`a route answers although the leases of its store ${title}`, async (t) => {
    const rejections = unheardRejections(t)
    const site = await openWith(t, leases)
    for (const path of ['/locked', '/in-time']) {
      for (const answer of await Promise.all(Array.from({ length: 3 }, () => site.ask(path)))) t.match(said(answer), { status: 200, text: /^made \d+$/ })
      t.match(await site.ask(path), { status: 200 })
    }
    t.equal((await site.ask('/failing')).status, 503)
    await new Promise((resolve) => { setImmediate(resolve) })
    t.strictSame(rejections, [])
  })
}

test('a route answers although the leases of its store are never given: after waitMs, or in time', async (t) => {
  const rejections = unheardRejections(t)
  const site = await openWith(t, { acquire: hanging })
  for (const answer of await Promise.all(Array.from({ length: 3 }, () => site.ask('/locked')))) t.match(said(answer), { status: 200, text: /^made \d+$/ })
  t.match(said(await site.ask('/hasty')), { status: 503, why: 'detail=hard-timeout' })
  await until(() => site.app.cache.stats().fills >= 2, 'what the handler makes nevertheless')
  t.match(said(await site.ask('/hasty')), { status: 200, cache: 'HIT' })
  t.strictSame(rejections, [])
})

test('leases of a store that are as they should be are used, and their release is heard', async (t) => {
  const calls: unknown[] = []
  const site = await openWith(t, {
    acquire: async (name: string, { leaseMs, waitMs }: { leaseMs: number, waitMs: number }) => {
      calls.push([typeof name, leaseMs, waitMs > 0])
      return { outcome: 'granted', lease: { isLost: false, release: async (how: string) => { calls.push(how) } } }
    }
  })
  t.match(said(await site.ask('/locked')), { cache: 'MISS', text: 'made 1' })
  await until(() => calls.length === 2, 'the release')
  t.strictSame(calls, [['string', 100, true], 'stored'])
  t.match(said(await site.ask('/locked')), { cache: 'HIT', text: 'made 1' })
})

test('a lease that says it is lost keeps the response from being stored', async (t) => {
  const site = await openWith(t, granted({ isLost: true, release: async () => {} }))
  for (let time = 1; time <= 2; time++) t.match(said(await site.ask('/locked')), { cache: 'MISS', text: `made ${time}`, why: 'fwd=uri-miss; detail=lock-lost' })
})

test('leases of this process are no answers of a store that has none: what it fails to store opens the breaker, which stays so until it stores', async (t) => {
  const states = writeStates(t)
  let [tries, isBroken] = [0, true]
  const plain = plainStore()
  const set: Store['set'] = (...entry) => {
    tries++
    if (isBroken) throw new Error('away')
    return plain.set(...entry)
  }
  const site = await open(t, (app) => {
    app.get('/*', cached({ lock: { waitMs: 30, leaseMs: 100 } }), async () => 'made')
  }, { cache: { store: { ...plain, set }, breaker: { failures: 3, openFor: '20ms' }, timeouts: { read: '5s', write: '5s' } } })
  for (let i = 0; i < 3; i++) t.match(said(await site.ask(`/first/${i}`)), { status: 200, cache: 'MISS' })
  await until(() => tries === 3, 'three tries')
  t.strictSame(states, ['open'], 'three failures in a row, although leases were granted and released between them')
  let asked = 0
  for (; states.length < 7 && asked < 2000; asked++) t.match(said(await site.ask(`/again/${asked}`)), { status: 200, cache: 'MISS' })
  t.strictSame(states.slice(0, 7), ['open', 'half-open', 'open', 'half-open', 'open', 'half-open', 'open'], `no lease closes it: ${asked} requests`)
  isBroken = false
  for (; !states.includes('closed') && asked < 4000; asked++) t.match(said(await site.ask(`/later/${asked}`)), { status: 200 })
  t.equal(site.app.cache.stats().store.write, 'closed')
})

/** How the breaker of writes changes from now on. */
function writeStates (t: Test): string[] {
  const states: string[] = []
  const listener = (message: unknown): void => {
    const { direction, state } = message as StoreStateMessage
    if (direction === 'write') states.push(state)
  }
  diagnostics.subscribe('fastify-response-cache:store-state', listener)
  t.teardown(() => { diagnostics.unsubscribe('fastify-response-cache:store-state', listener) })
  return states
}
