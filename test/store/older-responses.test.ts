import { test, type Test } from 'tap'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import { RedisStore } from '../../lib/store/redis-store.ts'
import type { Store, StoreKey } from '../../lib/store/store.ts'
import type { StoredResponse } from '../../lib/stored-entry.ts'
import { useRedis } from '../helpers/redis.ts'

const T = 1_700_000_000_000
const STAMP = { incarnation: 'a', stamp: T + 1 }

const places: Record<string, (t: Test) => Promise<Store>> = {
  memory: async () => new MemoryStore({ maxBytes: 1_000_000, clock: Date.now }),
  Redis: async (t) => {
    const { url, prefix } = await useRedis(t)
    const store = new RedisStore({ redis: url, prefix, commandMs: 10_000, onFault: (fault) => t.comment(fault) })
    await store.connect()
    return store
  }
}

type Facts = Pick<StoredResponse, 'storedAt' | 'costMs'> & { filled?: StoredResponse['filled'] }

/** What is there when one has come and then the other. */
const orders: Record<string, { first: Facts, then: Facts, stays: 'first' | 'then' }> = {
  'one that began earlier and took longer does not replace': { first: { storedAt: T, costMs: 10 }, then: { storedAt: T + 50, costMs: 500 }, stays: 'first' },
  'one that began later replaces': { first: { storedAt: T, costMs: 500 }, then: { storedAt: T + 50, costMs: 10 }, stays: 'then' },
  'one that began later and is stored at the same moment replaces': { first: { storedAt: T, costMs: 500 }, then: { storedAt: T, costMs: 499 }, stays: 'then' },
  'one that began a millisecond earlier does not replace': { first: { storedAt: T, costMs: 499 }, then: { storedAt: T, costMs: 500 }, stays: 'first' },
  'one that began at the same moment replaces': { first: { storedAt: T, costMs: 10 }, then: { storedAt: T + 5, costMs: 15 }, stays: 'then' },
  'a later stamp replaces whenever it began': { first: { storedAt: T, costMs: 0 }, then: { storedAt: T, costMs: 500, filled: { ...STAMP, stamp: T + 2 } }, stays: 'then' },
  'an earlier stamp does not replace whenever it began': { first: { storedAt: T, costMs: 500, filled: { ...STAMP, stamp: T + 2 } }, then: { storedAt: T, costMs: 0 }, stays: 'first' },
  'stamps of another life of the marks say nothing': { first: { storedAt: T, costMs: 0, filled: { ...STAMP, incarnation: 'b' } }, then: { storedAt: T, costMs: 500 }, stays: 'then' }
}

for (const [place, open] of Object.entries(places)) {
  test(`of two responses the one whose handler began later is kept [${place}]`, async (t) => {
    const store = await open(t)
    t.teardown(() => store.close())
    for (const [title, { first, then, stays }] of Object.entries(orders)) {
      const key: StoreKey = { id: title.replaceAll(' ', '-'), text: `text of ${title}` }
      await store.set(key, response(key, 'first', first), 60_000)
      await store.set(key, response(key, 'then', then), 60_000)
      t.equal((await store.get(key))?.body.toString(), stays, title)
    }
  })

  test(`a value that was set, and one that was produced, are not compared by a cost that they do not have [${place}]`, async (t) => {
    const store = await open(t)
    t.teardown(() => store.close())
    const key: StoreKey = { id: 'value', text: 'text of value' }
    const value = { kind: 'value', key: key.text, storedAt: T, filled: STAMP, labels: [], encoding: 'bytes' } as const
    await store.set(key, response(key, 'response', { storedAt: T, costMs: 0 }), 60_000)
    await store.set(key, { ...value, storedAt: T - 1000, origin: 'produced', body: Buffer.from('produced') }, 60_000)
    t.equal((await store.get(key))?.body.toString(), 'produced')
    await store.set(key, { ...value, origin: 'set', body: Buffer.from('set') }, 60_000)
    await store.set(key, response(key, 'response', { storedAt: T + 1000, costMs: 0 }), 60_000)
    t.equal((await store.get(key))?.body.toString(), 'set')
  })
}

function response (key: StoreKey, body: string, { storedAt, costMs, filled = STAMP }: Facts): StoredResponse {
  return { kind: 'response', key: key.text, storedAt, costMs, filled, labels: [], staleAt: storedAt + 60_000, ageMs: 0, isValidatable: false, status: 200, headers: [], removed: [], vary: [], whileRevalidateMs: 0, ifErrorMs: 0, body: Buffer.from(body) }
}
