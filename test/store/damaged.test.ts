import t, { type Test } from 'tap'
import { decodeEntry, encodeEntry } from '../../lib/index.ts'
import type { StoreKey } from '../../lib/store/store.ts'
import type { Entry } from '../../lib/stored-entry.ts'
import { framed, jsonOf, keyOf, older, openScene, response, value, variants, type Reader, type Scene } from './damaged-scene.ts'

/*
 * Whatever stands under a key of ours and is not the entry of that key: a look-up finds nothing and says so, and the next store replaces it,
 * also where what stands there says that it is newer.
 */

const KEY = keyOf('page')
const KINDS: Record<string, Entry> = {
  response: response(KEY), 'value that was set': value(KEY), 'value that was produced': value(KEY, { origin: 'produced' }), 'list of variants': variants(KEY)
}

/** The same material under other names, so that a test can do many at once. */
function place (number: number): StoreKey {
  return { id: `${KEY.id}${number}`, text: KEY.text }
}

/** Whether a look-up finds nothing and counts it, and what comes next is kept, whatever was there. */
async function isRepaired ({ store, damaged }: Reader, key: StoreKey, next: Entry): Promise<boolean> {
  if (await store.get(key) !== undefined || damaged.length !== 1) return false
  await store.set(key, next, 60_000)
  const found = await store.get(key)
  return found !== undefined && found.body.equals(next.body) && found.filled.stamp === next.filled.stamp && damaged.length === 1
}

/** The same for many at once. */
async function repairsAll (t: Test, scene: Scene, bad: Array<[title: string, key: StoreKey, bytes: Buffer]>, next: Entry): Promise<void> {
  const { store, damaged } = await scene.open()
  for (let at = 0; at < bad.length; at += AT_ONCE) {
    const some = bad.slice(at, at + AT_ONCE)
    await Promise.all(some.map(([, key, bytes]) => scene.put(key, bytes)))
    damaged.length = 0
    const found = await Promise.all(some.map(([, key]) => store.get(key)))
    t.strictSame(some.filter((_one, i) => found[i] !== undefined).map(([title]) => title), [], 'nothing is found')
    t.strictSame(damaged, some.map(() => 'frame'), 'and each is counted')
    await Promise.all(some.map(([, key]) => store.set(key, next, 60_000)))
    const later = await Promise.all(some.map(([, key]) => store.get(key)))
    t.strictSame(some.filter((_one, i) => later[i]?.filled.stamp !== next.filled.stamp).map(([title]) => title), [], 'all are replaced')
  }
}

/** As many as are remembered. */
const AT_ONCE = 1000

for (const [kind, entry] of Object.entries(KINDS)) {
  t.test(`a ${kind} that was cut anywhere is a miss, is counted, and is replaced`, async (t) => {
    const frame = encodeEntry(entry)
    const bodyAt = frame.length - entry.body.length
    const lengths = new Set([0, 1, 3, 4, 8, 12, 15, 16, 17, bodyAt >> 1, bodyAt - 1, bodyAt, frame.length - 1].filter((length) => length < frame.length))
    await repairsAll(t, await openScene(t), [...lengths].map((length, i) => [`${length} bytes`, place(i), frame.subarray(0, length)]), older(entry))
  })

  t.test(`a ${kind} with a flipped bit is a miss, is counted, and is replaced`, async (t) => {
    const frame = encodeEntry(entry)
    const bits = Array.from({ length: frame.length * 8 }, (_, bit) => bit).filter((bit) => bit < 128 || bit % 7 === 0)
    const bad = bits.map((bit): [string, StoreKey, Buffer] => {
      const flipped = Buffer.from(frame)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      return [`bit ${bit}`, place(bit), flipped]
    })
    // A frame that says to be of another version is compared by its age, so what comes next has to be the later one here.
    const isOfVersion = (bit: number): boolean => bit >= 24 && bit < 32
    const scene = await openScene(t)
    await repairsAll(t, scene, bad.filter((_one, i) => !isOfVersion(bits[i]!)), older(entry))
    await repairsAll(t, scene, bad.filter((_one, i) => isOfVersion(bits[i]!)), later(entry))
  })
}

function later (entry: Entry): Entry {
  return { ...entry, filled: { ...entry.filled, stamp: entry.filled.stamp + 1 } }
}

const SET = value(KEY)

/** What says of itself that it is newer than anything, as far as the script reads it, and is nothing that can be read. */
const HOSTILE: Record<string, Buffer> = {
  'no bytes': Buffer.alloc(0),
  'text of another program': Buffer.from('hello'),
  'bytes of another program': Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7919) & 255)),
  'an empty header': framed(''),
  'a header of null': framed('null'),
  'a header that is a list': framed('[{"filled":{"incarnation":"-7","stamp":9e15}}]'),
  'a header that is a text': framed('"FRC"'),
  'a header without end': framed(jsonOf(SET).slice(0, -1)),
  'a header that is not UTF-8': framed(Buffer.from([0x22, 0xff, 0xfe, 0x22])),
  'a header 2,000 levels deep': framed('['.repeat(2000) + ']'.repeat(2000)),
  'filled 2,000 levels deep': framed(jsonOf(SET).replace('"filled":', `"deep":${'['.repeat(2000)}${']'.repeat(2000)},"filled":x`)),
  'a stamp without end': framed(jsonOf(SET).replace(/"stamp":\d+/, '"stamp":Infinity')),
  'a stamp beyond all numbers': framed(jsonOf(SET).replace(/"stamp":\d+/, '"stamp":1e999')),
  'a stamp in hexadecimal': framed(jsonOf(SET).replace(/"stamp":\d+/, '"stamp":0xffffffffffff')),
  'a stamp that is no number': framed(jsonOf(SET).replace(/"stamp":\d+/, '"stamp":NaN')),
  'a stamp in words': framed(jsonOf(SET, { filled: { incarnation: '-7', stamp: '9e15' } })),
  'a stamp of null': framed(jsonOf(SET, { filled: { incarnation: '-7', stamp: null } })),
  'filled of null': framed(jsonOf(SET, { filled: null })),
  'filled that is a list': framed(jsonOf(SET, { filled: [] })),
  'an incarnation that is a number': framed(jsonOf(SET, { filled: { incarnation: -7, stamp: 9e15 } })),
  'labels of numbers': framed(jsonOf(SET, { labels: [1] })),
  'another encoding': framed(jsonOf(SET, { encoding: 'pickle' })),
  'no kind': framed(jsonOf(SET, { kind: undefined })),
  'a cost in words': framed(jsonOf(response(KEY), { costMs: '5' })),
  'an instant in words': framed(jsonOf(response(KEY), { storedAt: '9e15' })),
  'a status in words': framed(jsonOf(response(KEY), { status: '200' })),
  'half of a surrogate pair in a label': framed(jsonOf(SET, { labels: 1, x: '\ud800' })),
  'lengths of 4 GB': framed(jsonOf(SET), undefined, { headerLength: 0xffffffff, bodyLength: 0xffffffff }),
  'a header of 4 GB': framed(jsonOf(SET), undefined, { headerLength: 0xffffffff }),
  'a header of 2 MB': framed(jsonOf(SET) + ' '.repeat(2 ** 21), undefined, { bodyLength: 1 }),
  'a body of 4 GB': framed(jsonOf(SET), undefined, { bodyLength: 0xffffffff }),
  'a body that is longer than it says': framed(jsonOf(SET), undefined, { bodyLength: 5 }),
  'a body that is shorter than it says': framed(jsonOf(SET), undefined, { bodyLength: 7 }),
  'a header that reaches into the body': framed(jsonOf(SET), Buffer.from('  '), { headerLength: jsonOf(SET).length + 1 }),
  'two of it': Buffer.concat([encodeEntry(SET), encodeEntry(SET)])
}

t.test('what is no frame of ours is a miss, is counted, and is replaced', async (t) => {
  await repairsAll(t, await openScene(t), Object.entries(HOSTILE).map(([title, bytes], i) => [title, place(i), bytes]), older(SET))
})

t.test('no bytes under a key make a store fail, also of a process that has not looked at them', async (t) => {
  const scene = await openScene(t)
  const { store } = await scene.open()
  for (const [i, [title, bytes]] of Object.entries(HOSTILE).entries()) {
    await scene.put(place(i), bytes)
    await t.resolves(store.set(place(i), later(older(SET)), 60_000), title)
  }
})

t.test('a value of a foreign type is a miss, is counted, and is replaced', async (t) => {
  const scene = await openScene(t)
  const reader = await scene.open()
  const types: Array<(name: string) => Promise<unknown>> = [
    (name) => scene.client.hSet(name, 'field', 'value'),
    (name) => scene.client.lPush(name, 'item'),
    (name) => scene.client.sAdd(name, 'member'),
    (name) => scene.client.zAdd(name, { score: 1, value: 'member' }),
    (name) => scene.client.xAdd(name, '*', { field: 'value' })
  ]
  for (const [i, put] of types.entries()) {
    for (const [j, entry] of Object.values(KINDS).entries()) {
      const key = place(10 * i + j)
      await put(scene.name(key))
      reader.damaged.length = 0
      t.ok(await isRepaired(reader, key, older(entry)), `type ${i}, entry ${j}`)
      t.strictSame(reader.damaged, ['type'])
    }
  }
})

t.test('the entry of another key is a miss, is counted, and is replaced, also by a process that has not looked', async (t) => {
  const scene = await openScene(t)
  const [one, other] = [keyOf('one'), keyOf('other')]
  const all = (key: StoreKey): Entry[] => [response(key), value(key), value(key, { origin: 'produced' }), variants(key)]
  for (const foreign of all(other)) {
    for (const own of all(one)) {
      for (const hasLooked of [true, false]) {
        const [{ store }, reader] = [await scene.open(), await scene.open()]
        await store.set(one, own, 60_000)
        await scene.client.unlink(scene.name(other))
        await store.set(other, foreign, 60_000)
        await scene.client.rename(scene.name(other), scene.name(one))
        const title = `${foreign.kind} for ${own.kind}, ${hasLooked}`
        if (hasLooked) {
          t.ok(await isRepaired(reader, one, older(own)), title)
          t.strictSame(reader.damaged, ['key'], title)
        } else {
          await reader.store.set(one, older(own), 60_000)
          t.match(await reader.store.get(one), { filled: { stamp: 1 } }, title)
        }
        await Promise.all([store.close(), reader.store.close()])
      }
    }
  }
})

t.test('what another version has stored later is not replaced by what began before it, and what began later replaces it', async (t) => {
  const scene = await openScene(t)
  for (const version of [1, 2, 3, 5, 255]) {
    const { store, damaged } = await scene.open()
    const bytes = framed(jsonOf(SET), undefined, { version })
    await scene.put(KEY, bytes)
    t.equal(await store.get(KEY), undefined)
    t.strictSame(damaged, ['frame'])
    await store.set(KEY, value(KEY, { origin: 'produced' }), 60_000)
    t.ok((await scene.bytes(KEY)).equals(bytes), `version ${version} stays: it was set, and this was produced before`)
    await store.set(KEY, later(value(KEY, { origin: 'produced' })), 60_000)
    t.match(await store.get(KEY), { origin: 'produced' }, `version ${version} is replaced`)
    await scene.put(KEY, bytes)
    await store.set(KEY, older({ ...value(KEY), key: 'another' }), 60_000)
    t.equal(decodeEntry(await scene.bytes(KEY))?.filled.stamp, 1, 'a later one of another key is in nobody\'s way')
    await scene.put(KEY, bytes)
    await store.set(KEY, value(KEY), 60_000)
    t.match(await store.get(KEY), { origin: 'set' }, 'what is set replaces all')
    await store.close()
  }
})

t.test('an entry of its key that is not damaged keeps its place against an older one, whatever was damaged before', async (t) => {
  const scene = await openScene(t)
  const [{ store }, other] = [await scene.open(), await scene.open()]
  const frame = encodeEntry(SET)
  await scene.put(KEY, frame.subarray(0, -1))
  t.equal(await store.get(KEY), undefined)
  await other.store.set(KEY, later(SET), 60_000)
  await store.set(KEY, older(SET), 60_000)
  t.match(await store.get(KEY), { origin: 'set' })
})

t.test('what is damaged is remembered for a bounded number of keys, the latest ones', async (t) => {
  const scene = await openScene(t)
  const { store, damaged } = await scene.open()
  const cut = encodeEntry(SET).subarray(0, -1)
  await Promise.all(Array.from({ length: 1001 }, async (_, i) => { await scene.put(place(i), cut) }))
  await store.get(place(0))
  await Promise.all(Array.from({ length: 1000 }, async (_, i) => { await store.get(place(i + 1)) }))
  t.equal(damaged.length, 1001)
  await store.set(place(0), older(SET), 60_000)
  t.equal(await store.get(place(0)), undefined, 'the first one is forgotten')
  await store.set(place(1000), older(SET), 60_000)
  t.match(await store.get(place(1000)), { origin: 'produced' })
  await store.set(place(0), older(SET), 60_000)
  t.match(await store.get(place(0)), { origin: 'produced' }, 'and found again by the next look-up')
})
