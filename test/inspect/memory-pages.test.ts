import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import type { StoreKey } from '../../lib/store/store.ts'
import type { StoredValue } from '../../lib/stored-entry.ts'

const named = (id: string): StoreKey => ({ id, text: id })
const value = (key: string, bytes = 0): StoredValue => ({
  kind: 'value', key, storedAt: 0, filled: { incarnation: 'x', stamp: 1 }, labels: [], encoding: 'bytes', origin: 'set', body: Buffer.alloc(bytes)
})

t.test('what moves in memory because it is in use is met all the same', async (t) => {
  const store = new MemoryStore({ maxBytes: 200_000, clock: () => 0 })
  const kept = Array.from({ length: 100 }, (_, i) => `kept:${i}`)
  for (const id of kept) store.set(named(id), value(id), 1000)
  const met = new Set<string>()
  let added = 0
  let cursor: string | undefined
  for (let pages = 0; pages === 0 || cursor !== undefined; pages++) {
    if (pages > 100) throw new Error('the pages do not end')
    const page = await store.page({ cursor, limit: 10, head: '' })
    t.ok(page.entries.length <= 10)
    for (const { id } of page.entries) met.add(id)
    cursor = page.cursor
    for (const id of kept) store.get(named(id))
    for (let i = 0; i < 200; i++) store.set(named(`added:${added}`), value(`added:${added++}`), 1000) // more than there is room for
  }
  t.same(kept.filter((id) => store.get(named(id)) === undefined), [], 'all of them were there all the time')
  t.same(kept.filter((id) => !met.has(id)), [])
  t.ok(added > 1500)
})

/** Works for a millisecond, as a pattern does that fits almost. */
function workLong (): boolean {
  const end = performance.now() + 1
  while (performance.now() < end);
  return true
}

t.test('a page whose entries take long to compare leaves others their turns, and ends with its signal', async (t) => {
  const store = new MemoryStore({ maxBytes: 10_000_000, clock: () => 0 })
  for (let i = 0; i < 1000; i++) store.set(named(`a:${i}`), value(`a:${i}`), 1000)
  const page = store.page({ limit: 10, head: '', isWanted: workLong })
  let turns = 0
  while (await Promise.race([page, nextTurn()]) === undefined) turns++
  t.equal((await page).entries.length, 10)
  t.ok(turns > 100, `${turns} turns of the event loop in about a second`)

  const ending = new AbortController()
  let compared = 0
  const isWanted = (): boolean => {
    if (++compared === 200) ending.abort(new Error('too late'))
    return workLong()
  }
  await t.rejects(store.page({ limit: 10, head: '', isWanted, signal: ending.signal }), { message: 'too late' })
  t.ok(compared < 300, `${compared} of 1000 were compared`)
})

t.test('the numbers of the memory: entries, bytes, and what went before its time', (t) => {
  let now = 0
  const store = new MemoryStore({ maxBytes: 10_000, clock: () => now })
  t.same(store.memoryStats(), { entries: 0, bytes: 0, maxBytes: 10_000, evictions: 0 })
  for (const id of ['a', 'b']) store.set(named(id), value(id, 3000), 1000)
  const { bytes } = store.memoryStats()
  t.ok(bytes > 6000 && bytes < 9000, `${bytes} bytes`)
  store.set(named('b'), value('b', 3000), 1000)
  store.delete(named('never'))
  t.same(store.memoryStats(), { entries: 2, bytes, maxBytes: 10_000, evictions: 0 }, 'replaced is not evicted')
  store.set(named('c'), value('c', 3000), 1000)
  t.match(store.memoryStats(), { entries: 2, evictions: 1 })
  now = 2000
  store.set(named('d'), value('d', 9000), 1000)
  t.match(store.memoryStats(), { entries: 1, evictions: 1 }, 'what is over its time is not evicted')
  store.set(named('huge'), value('huge', 20_000), 1000)
  t.match(store.memoryStats(), { entries: 1, evictions: 1 }, 'what is not kept is not evicted')
  t.end()
})
