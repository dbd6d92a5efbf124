import { inspect } from 'node:util'
import t from 'tap'
import { createCache, decodeEntry, encodeEntry } from '../../lib/index.ts'
import { Integrity, SIGNATURE_BYTES } from '../../lib/store/integrity.ts'
import type { StoreKey } from '../../lib/store/store.ts'
import type { Entry } from '../../lib/stored-entry.ts'
import { keyOf, older, openScene, response, value, variants } from './damaged-scene.ts'

const SECRET = 'a secret of these tests, long enough'
const NEXT = 'the secret that comes after the first'
const KEY = keyOf('page')
const ENTRIES: readonly Entry[] = [response(KEY), value(KEY), value(KEY, { origin: 'produced', body: Buffer.alloc(0) }), variants(KEY)]

t.test('what was signed is opened under its name alone, by whoever has the secret', async (t) => {
  const [integrity, other] = [new Integrity([SECRET]), new Integrity([NEXT])]
  const frame = encodeEntry(ENTRIES[0]!)
  const signed = integrity.sign('shop:user:1', frame)
  t.equal(signed.length, frame.length + SIGNATURE_BYTES)
  t.ok(integrity.open('shop:user:1', signed)?.equals(frame))
  t.ok(new Integrity([SECRET]).open('shop:user:1', signed)?.equals(frame), 'in any process')
  for (const name of ['shop:user:2', 'shop:user:', 'shop:user:11', 'test:user:1', '']) t.equal(integrity.open(name, signed), undefined, name)
  t.equal(other.open('shop:user:1', signed), undefined)
})

t.test('a name and a frame are told apart, wherever one ends', async (t) => {
  const integrity = new Integrity([SECRET])
  const signed = integrity.sign('ab', Buffer.from('cd'))
  const signature = signed.subarray(2)
  for (const [name, frame] of [['abc', 'd'], ['a', 'bcd'], ['abcd', ''], ['', 'abcd']] as const) {
    t.equal(integrity.open(name, Buffer.concat([Buffer.from(frame), signature])), undefined)
  }
})

t.test('a signed frame with a flipped bit, cut, or longer is nothing', async (t) => {
  const integrity = new Integrity([SECRET])
  const signed = integrity.sign('name', encodeEntry(ENTRIES[1]!))
  let opened = 0
  for (let bit = 0; bit < signed.length * 8; bit++) {
    const flipped = Buffer.from(signed)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    if (integrity.open('name', flipped) !== undefined) opened++
  }
  for (let length = 0; length < signed.length; length++) if (integrity.open('name', signed.subarray(0, length)) !== undefined) opened++
  if (integrity.open('name', Buffer.concat([signed, Buffer.alloc(1)])) !== undefined) opened++
  t.equal(opened, 0)
})

t.test('secrets are replaced one after the other: the first one signs, and all of them are accepted', async (t) => {
  const frame = encodeEntry(ENTRIES[0]!)
  const [former, both, latter] = [new Integrity([SECRET]), new Integrity([NEXT, SECRET]), new Integrity([NEXT])]
  t.ok(both.open('name', former.sign('name', frame)))
  t.ok(both.open('name', latter.sign('name', frame)))
  t.ok(latter.open('name', both.sign('name', frame)))
  t.equal(former.open('name', both.sign('name', frame)), undefined)
})

t.test('secrets are in nothing that could be logged', async (t) => {
  const integrity = new Integrity([SECRET, NEXT])
  const cache = createCache({ redis: 'redis://127.0.0.1:1', integrity: { secret: [SECRET, NEXT] }, defaults: { ttl: 60 } })
  t.teardown(() => cache.close())
  for (const text of [inspect(integrity, { depth: 9, showHidden: true }), JSON.stringify(integrity), inspect(cache, { depth: 9, showHidden: true })]) {
    for (const secret of [SECRET, NEXT]) {
      for (const form of [secret, Buffer.from(secret).toString('hex'), inspect(Buffer.from(secret)).slice(8, 60)]) t.notOk(text.includes(form))
    }
  }
  for (const secret of ['too short to be a secret', [SECRET, 'too short to be a secret'], 7]) {
    try {
      // @ts-expect-error a number is no secret
      createCache({ redis: 'redis://127.0.0.1:1', integrity: { secret } })
      t.fail('expected an error')
    } catch (fault) {
      t.match(fault, { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' })
      t.notOk(inspect(fault).includes('too short') || inspect(fault).includes(SECRET))
    }
  }
})

t.test('what is not signed, or with another secret, or was moved, is a miss, is counted, and is replaced', async (t) => {
  const scene = await openScene(t)
  const plain = (entry: Entry): Buffer => encodeEntry(entry)
  const integrity = new Integrity([SECRET])
  const name = scene.name(KEY)
  const forged: Record<string, (entry: Entry) => Buffer> = {
    'not signed': plain,
    'signed with zeros': (entry) => Buffer.concat([plain(entry), Buffer.alloc(SIGNATURE_BYTES)]),
    'signed with another secret': (entry) => new Integrity([NEXT]).sign(name, plain(entry)),
    'signed for another name': (entry) => integrity.sign(`${name}2`, plain(entry)),
    'signed for another prefix': (entry) => integrity.sign(`other${name}`, plain(entry)),
    'the entry of another key, signed for this name': (entry) => integrity.sign(name, plain({ ...entry, key: 'another' })),
    'another body behind the header, with the signature there was': (entry) => {
      const signed = integrity.sign(name, plain(entry))
      return Buffer.concat([plain({ ...entry, body: Buffer.from('another body') }), signed.subarray(-SIGNATURE_BYTES)])
    },
    'signed twice': (entry) => integrity.sign(name, integrity.sign(name, plain(entry)))
  }
  for (const [title, forge] of Object.entries(forged)) {
    for (const entry of ENTRIES) {
      const { store, damaged } = await scene.open(integrity)
      await scene.put(KEY, forge(entry))
      t.equal(await store.get(KEY), undefined, title)
      t.strictSame(damaged, [title.startsWith('the entry of another key') ? 'key' : 'frame'], title)
      await store.set(KEY, older(entry), 60_000)
      t.strictSame(await store.get(KEY), older(entry), `${title}: replaced`)
      await store.close()
    }
  }
})

t.test('with a secret everything that is stored is signed, and is read by a process that has it, in a list or not', async (t) => {
  const scene = await openScene(t)
  const [writer, rotating] = [await scene.open(new Integrity([SECRET])), await scene.open(new Integrity([NEXT, SECRET]))]
  for (const [i, entry] of ENTRIES.entries()) {
    const key: StoreKey = { id: `${KEY.id}${i}`, text: KEY.text }
    await writer.store.set(key, entry, 60_000)
    const signed = await scene.bytes(key)
    t.strictSame(decodeEntry(signed.subarray(0, -SIGNATURE_BYTES)), entry)
    t.strictSame(await writer.store.get(key), entry)
    t.strictSame(await rotating.store.get(key), entry)
  }
  t.strictSame([...writer.damaged, ...rotating.damaged], [])
})

t.test('for a process without a secret what is signed is nothing, and what it stores is nothing for the others', async (t) => {
  const scene = await openScene(t)
  const [signing, plain] = [await scene.open(new Integrity([SECRET])), await scene.open()]
  await signing.store.set(KEY, value(KEY), 60_000)
  t.equal(await plain.store.get(KEY), undefined)
  await plain.store.set(KEY, older(value(KEY)), 60_000)
  t.strictSame(await plain.store.get(KEY), older(value(KEY)))
  t.equal(await signing.store.get(KEY), undefined)
  t.strictSame([...signing.damaged, ...plain.damaged], ['frame', 'frame'])
})

t.test('dead entries that are signed are swept', async (t) => {
  const scene = await openScene(t)
  const { store } = await scene.open(new Integrity([SECRET]))
  await store.set(KEY, response(KEY), 60_000)
  t.strictSame(await store.sweep(() => true, {}), { scanned: 1, removed: 1 })
})

for (const memory of [false, { maxBytes: 1_000_000 }] as const) {
  t.test(`who can write to Redis can neither put a value there nor exchange two [memory: ${memory !== false}]`, async (t) => {
    const scene = await openScene(t)
    const { url, prefix, client } = scene
    const integrity = { secret: SECRET }
    const cache = createCache({ redis: url, prefix, memory, integrity, defaults: { ttl: '1m' }, timeouts: { read: '5s', write: '5s' } })
    t.teardown(() => cache.close())
    await cache.connect()
    await cache.setMany({ 'user:ann': 'ann', 'user:bob': 'bob', 'user:cid': 'cid' })
    t.strictSame(await cache.getMany(['user:ann', 'user:bob', 'user:cid']), ['ann', 'bob', 'cid'])
    const [ann, cid] = ['user:ann', 'user:cid'].map((id): StoreKey => ({ id, text: id }))
    const stored = decodeEntry((await scene.bytes(cid!)).subarray(0, -SIGNATURE_BYTES))!
    await scene.put(cid!, encodeEntry({ ...stored, body: Buffer.concat([stored.body.subarray(0, -1), Buffer.from('X')]) }))
    await client.copy(scene.name(ann!), `${prefix}:user:bob`, { REPLACE: true })
    const later = createCache({ redis: url, prefix, memory, integrity, defaults: { ttl: '1m' }, timeouts: { read: '5s', write: '5s' } })
    t.teardown(() => later.close())
    await later.connect()
    t.strictSame(await later.getMany(['user:ann', 'user:bob', 'user:cid']), ['ann', undefined, undefined])
    let runs = 0
    for (let i = 0; i < 3; i++) t.equal(await later.getOrSet('user:cid', () => ++runs), 1)
  })
}
