import assert from 'node:assert/strict'
import type { Entry, StoredResponse, StoredValue } from '../stored-entry.ts'
import type { PagedEntry, Store, StoreKey } from './store.ts'

/** One thing that every store promises. `run` opens a store of its own and closes it. */
export interface StorePromise {
  readonly name: string
  run (open: () => Store | Promise<Store>): Promise<void>
}

/**
 * What the cache relies on, for stores of your own. With any test runner:
 * `for (const { name, run } of storePromises) test(name, () => run(() => new MyStore()))`.
 */
export const storePromises: readonly StorePromise[] = [
  promise('gives back a response as it was stored', async (store) => {
    const entry = response({ headers: [['content-type', 'text/plain'], ['link', ['<a>', '<b>']]], vary: [['accept', null], ['x', '']] })
    await store.set(KEY, entry, LONG)
    assert.deepEqual(await store.get(KEY), entry)
  }),
  promise('gives back a value as it was stored', async (store) => {
    const entry = value(Buffer.from([0, 255, 13, 10, 128]))
    await store.set(KEY, entry, LONG)
    assert.deepEqual(await store.get(KEY), entry)
  }),
  promise('gives back an empty body and one of a megabyte', async (store) => {
    for (const body of [Buffer.alloc(0), Buffer.alloc(1_000_000, 'ab')]) {
      await store.set(KEY, value(body), LONG)
      assert.deepEqual((await store.get(KEY))?.body, body)
    }
  }),
  promise('finds nothing under a key that was not stored', async (store) => {
    assert.equal(await store.get(KEY), undefined)
    assert.equal(await store.ttlMs(KEY), undefined)
  }),
  promise('keeps keys apart', async (store) => {
    await store.set(KEY, value(Buffer.from('one')), LONG)
    await store.set(OTHER, value(Buffer.from('two'), OTHER), LONG)
    assert.equal((await store.get(KEY))?.body.toString(), 'one')
    assert.equal((await store.get(OTHER))?.body.toString(), 'two')
  }),
  promise('replaces an entry and its time to live', async (store) => {
    await store.set(KEY, value(Buffer.from('old')), 60_000)
    await store.set(KEY, value(Buffer.from('new')), 600_000)
    assert.equal((await store.get(KEY))?.body.toString(), 'new')
    assert.ok((await store.ttlMs(KEY))! > 60_000)
  }),
  promise('tells the time to live', async (store) => {
    await store.set(KEY, value(Buffer.from('x')), 60_000)
    const ttlMs = await store.ttlMs(KEY)
    assert.ok(ttlMs !== undefined && ttlMs > 55_000 && ttlMs <= 60_000, `expected just under 60000, got ${ttlMs}`)
  }),
  promise('forgets an entry when its time is over', async (store) => {
    await store.set(KEY, value(Buffer.from('x')), SHORT)
    await gone(store, KEY)
    assert.equal(await store.ttlMs(KEY), undefined)
  }),
  promise('gives an entry a new time to live, and only when there is one', async (store) => {
    assert.equal(await store.expire(KEY, LONG), false)
    await store.set(KEY, value(Buffer.from('x')), 60_000)
    assert.equal(await store.expire(KEY, 600_000), true)
    assert.ok((await store.ttlMs(KEY))! > 60_000)
    assert.equal(await store.expire(KEY, SHORT), true)
    await gone(store, KEY)
  }),
  promise('deletes an entry, and tells whether there was one', async (store) => {
    await store.set(KEY, value(Buffer.from('x')), LONG)
    assert.equal(await store.delete(KEY), true)
    assert.equal(await store.get(KEY), undefined)
    assert.equal(await store.delete(KEY), false)
  }),
  promise('does many things at once', async (store) => {
    const keys = Array.from({ length: 100 }, (_, i) => named(`contract:${i}`))
    await Promise.all(keys.map((key) => store.set(key, value(Buffer.from(key.id), key), LONG)))
    const found = await Promise.all(keys.map((key) => store.get(key)))
    assert.deepEqual(found.map((entry) => entry?.body.toString()), keys.map((key) => key.id))
    await Promise.all(keys.map((key) => store.delete(key)))
  }),
  promise('shows its entries page by page, where it has pages', async (store) => {
    if (store.page === undefined) return
    const keys = Array.from({ length: 100 }, (_, i) => named(`contract:${i}`))
    await Promise.all(keys.map((key) => store.set(key, value(Buffer.from(key.id), key), LONG)))
    const { body, ...header } = value(Buffer.from('contract:7'), keys[7])
    const met = new Map<string, PagedEntry>()
    let cursor: string | undefined
    for (let pages = 0; pages === 0 || cursor !== undefined; pages++) {
      assert.ok(pages < MOST_PAGES, 'expected the pages to end')
      const page = await store.page({ cursor, limit: 30, head: 'contract:' })
      for (const entry of page.entries) met.set(entry.id, entry)
      cursor = page.cursor
    }
    assert.deepEqual(keys.filter(({ id }) => !met.has(id)), [])
    const { ttlMs, ...shown } = met.get('contract:7')!
    assert.deepEqual(shown, { id: 'contract:7', header, bodyBytes: body.length })
    assert.ok(ttlMs !== undefined && ttlMs > LONG - 60_000 && ttlMs <= LONG, `expected about ${LONG}, got ${ttlMs}`)
    await Promise.all(keys.map((key) => store.delete(key)))
  }),
  promise('shows an entry by its id, where it can', async (store) => {
    if (store.read === undefined) return
    assert.equal(await store.read(KEY.id), undefined)
    const entry = value(Buffer.from('body'))
    await store.set(KEY, entry, LONG)
    const found = await store.read(KEY.id)
    assert.deepEqual(found?.entry, entry)
    assert.ok(found.ttlMs !== undefined && found.ttlMs > LONG - 60_000 && found.ttlMs <= LONG, `expected about ${LONG}, got ${found.ttlMs}`)
    await store.delete(KEY)
    assert.equal(await store.read(KEY.id), undefined)
  }),
  promise('answers a ping', async (store) => {
    await store.ping()
  })
]

const LONG = 600_000
const SHORT = 25
/** A store with many other entries needs more of them, but not so many. */
const MOST_PAGES = 10_000
const KEY = named('contract:one')
const OTHER = named('contract:two')

function promise (name: string, keep: (store: Store) => Promise<void>): StorePromise {
  return {
    name: `a store ${name}`,
    async run (open) {
      const store = await open()
      try {
        await store.connect()
        await Promise.all([KEY, OTHER].map((key) => store.delete(key)))
        await keep(store)
        await Promise.all([KEY, OTHER].map((key) => store.delete(key)))
      } finally {
        await store.close()
      }
    }
  }
}

const FILLED = { incarnation: '-123', stamp: 1_700_000_000_000_001 }

function named (id: string): StoreKey {
  return { id, text: `text of ${id}` }
}

function value (body: Buffer, key: StoreKey = KEY): StoredValue {
  return { kind: 'value', key: key.text, storedAt: 1_700_000_000_000, filled: FILLED, labels: ['n:contract', 't:\ud83d\ude00'], encoding: 'bytes', origin: 'set', body }
}

function response (own: Partial<StoredResponse>): StoredResponse {
  const storedAt = 1_700_000_000_000
  return { kind: 'response', key: KEY.text, storedAt, filled: FILLED, labels: [], staleAt: storedAt + LONG, status: 200, headers: [], removed: [], vary: [], ageMs: 0, costMs: 1, isValidatable: false, whileRevalidateMs: 0, ifErrorMs: 0, body: Buffer.from('body'), ...own }
}

/** Asks until the entry is gone; an entry that outlives its time by seconds breaks the promise. */
async function gone (store: Store, key: StoreKey): Promise<void> {
  const giveUpAt = performance.now() + 5000
  let found: Entry | undefined
  do {
    found = await store.get(key)
    if (found !== undefined) await new Promise((resolve) => { setTimeout(resolve, 5) })
  } while (found !== undefined && performance.now() < giveUpAt)
  assert.equal(found, undefined, 'expected the entry to be gone')
}
