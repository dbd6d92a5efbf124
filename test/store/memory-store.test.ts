import t from 'tap'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import { entryBytes, type StoredValue } from '../../lib/stored-entry.ts'

const keyOf = (name: string): { id: string, text: string } => ({ id: name, text: name })
const valueOf = (name: string, bytes = 1000): StoredValue => ({ kind: 'value', key: name, storedAt: 0, filled: { incarnation: 'local', stamp: 1 }, labels: [], encoding: 'bytes', origin: 'set', body: Buffer.alloc(bytes) })

t.test('the memory store stays within its bound, whatever is stored', async (t) => {
  const maxBytes = 100_000
  const store = new MemoryStore({ maxBytes, clock: () => 0 })
  for (let i = 0; i < 1000; i++) store.set(keyOf(`key ${i}`), valueOf(`key ${i}`, i * 7 % 3000), 1000)
  const kept = Array.from({ length: 1000 }, (_, i) => store.get(keyOf(`key ${i}`))).filter((entry) => entry !== undefined)
  const bytes = kept.reduce((sum, entry) => sum + entryBytes(entry), 0)
  t.ok(bytes <= maxBytes && bytes > maxBytes / 2, `${bytes} bytes of ${kept.length} entries`)
})

t.test('an entry that is read stays when others that are not have to go', async (t) => {
  const store = new MemoryStore({ maxBytes: 50_000, clock: () => 0 })
  store.set(keyOf('hot'), valueOf('hot'), 1000)
  for (let i = 0; i < 200; i++) {
    store.set(keyOf(`cold ${i}`), valueOf(`cold ${i}`), 1000)
    t.ok(store.get(keyOf('hot')))
  }
  t.equal(store.get(keyOf('cold 0')), undefined)
})

t.test('when everything was read, the oldest goes', async (t) => {
  const store = new MemoryStore({ maxBytes: 5 * entryBytes(valueOf('a')), clock: () => 0 })
  for (const name of 'abcde') store.set(keyOf(name), valueOf(name), 1000)
  for (const name of 'abcde') t.ok(store.get(keyOf(name)), name)
  store.set(keyOf('f'), valueOf('f'), 1000)
  t.same([...'abcdef'].filter((name) => store.get(keyOf(name)) !== undefined).length, 5)
})

t.test('an entry that does not fit replaces nothing but its own predecessor', async (t) => {
  const store = new MemoryStore({ maxBytes: 5000, clock: () => 0 })
  store.set(keyOf('a'), valueOf('a'), 1000)
  store.set(keyOf('b'), valueOf('b'), 1000)
  store.set(keyOf('a'), valueOf('a', 10_000), 1000)
  t.equal(store.get(keyOf('a')), undefined)
  t.ok(store.get(keyOf('b')))
})

t.test('entries go when their time is over, by the clock that was passed in', async (t) => {
  let now = 0
  const store = new MemoryStore({ maxBytes: 50_000, clock: () => now })
  store.set(keyOf('a'), valueOf('a'), 1000)
  now = 999
  t.equal(store.ttlMs(keyOf('a')), 1)
  now = 1000
  t.equal(store.get(keyOf('a')), undefined)
})

t.test('values that match a glob are deleted, and their ids are told', async (t) => {
  const store = new MemoryStore({ maxBytes: 10_000_000, clock: () => 0 })
  for (let i = 0; i < 2000; i++) store.set(keyOf(`user:${i}`), valueOf(`user:${i}`), 1000)
  const response = { id: 'user:GET:/:hash', text: 'user:GET:1:/' }
  store.set(response, { ...valueOf(''), kind: 'response', staleAt: 1, ageMs: 0, isValidatable: false, status: 200, headers: [], removed: [], vary: [], costMs: 1, whileRevalidateMs: 0, ifErrorMs: 0 }, 1000)
  const told: string[] = []
  t.equal(await store.deleteValues('user:*7', { onRemoved: async (ids) => { told.push(...ids) } }), 200)
  t.equal(new Set(told).size, 200)
  t.equal(store.get(keyOf('user:17')), undefined)
  t.ok(store.get(keyOf('user:18')))
  t.equal(await store.deleteValues('*'), 1800)
  t.ok(store.get(response))
})

t.test('a sweep removes what is dead or over, and knows responses by their ids', async (t) => {
  let now = 0
  const store = new MemoryStore({ maxBytes: 10_000_000, clock: () => now })
  for (let i = 0; i < 2000; i++) store.set({ id: `id ${i}`, text: `text ${i}` }, valueOf('', 10), i < 500 ? 10 : 1000)
  now = 10
  t.same(await store.sweep((_entry, { id }) => id.endsWith('7')), { scanned: 2000, removed: 650 })
  t.equal(store.get({ id: 'id 507', text: 'text 507' }), undefined)
  t.ok(store.get({ id: 'id 508', text: 'text 508' }))
})

t.test('a walk lets other work go on, ends while others keep storing, and stops at its signal', async (t) => {
  const store = new MemoryStore({ maxBytes: 100_000_000, clock: () => 0 })
  for (let i = 0; i < 10_000; i++) store.set(keyOf(`key ${i}`), valueOf('', 10), 1000)
  let turns = 0
  let stored = 0
  let goesOn = true
  const others = (): void => {
    if (!goesOn) return
    turns++
    for (let i = 0; i < 1000; i++) store.set(keyOf(`new ${stored++}`), valueOf('', 10), 1000)
    setImmediate(others)
  }
  setImmediate(others)
  const { scanned } = await store.sweep(() => false)
  goesOn = false
  t.ok(turns >= 10, `${turns} turns`)
  t.ok(scanned >= 10_000 && scanned < 21_000, `${scanned} scanned`)

  const closing = new AbortController()
  const reason = new Error('closed')
  let judged = 0
  await t.rejects(store.sweep(() => { if (++judged === 100) closing.abort(reason); return false }, { signal: closing.signal }), reason)
  t.ok(judged < 1000, `${judged} judged`)
  await t.rejects(store.deleteValues('*', { signal: closing.signal }), reason)
})
