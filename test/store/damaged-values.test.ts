import t from 'tap'
import { createCache, decodeEntry, encodeEntry } from '../../lib/index.ts'
import type { StoreKey } from '../../lib/store/store.ts'
import type { Entry, StoredValue } from '../../lib/stored-entry.ts'
import { keyOf, openScene, response, variants } from './damaged-scene.ts'
import { openSite } from './damaged-site.ts'

/*
 * Whatever stands under the key of a value and is not that value: who asks for it gets none, or what is produced once and kept.
 */

t.test('two values that were exchanged are not there, and both are replaced', async (t) => {
  const { url, prefix, client } = await openScene(t)
  const cache = createCache({ redis: url, prefix, defaults: { ttl: '1m' }, timeouts: { read: '5s', write: '5s' } })
  t.teardown(() => cache.close())
  await cache.connect()
  await cache.setMany({ 'user:ann': 'of ann', 'user:bob': 'of bob' })
  await client.rename(`${prefix}:user:ann`, `${prefix}:user:tmp`)
  await client.rename(`${prefix}:user:bob`, `${prefix}:user:ann`)
  await client.rename(`${prefix}:user:tmp`, `${prefix}:user:bob`)
  t.strictSame(await cache.getMany(['user:ann', 'user:bob']), [undefined, undefined])
  t.strictSame([await cache.has('user:ann'), await cache.ttl('user:ann'), await cache.expire('user:ann', '2m')], [false, undefined, false])
  for (const name of ['ann', 'bob']) {
    let runs = 0
    for (let i = 0; i < 3; i++) t.equal(await cache.getOrSet(`user:${name}`, () => `${name} ${++runs}`), `${name} 1`)
  }
})

t.test('a value whose bytes were damaged is produced once and kept', async (t) => {
  const scene = await openScene(t)
  const { url, prefix, client } = scene
  const cache = createCache({ redis: url, prefix, defaults: { ttl: '1m' }, timeouts: { read: '5s', write: '5s' } })
  t.teardown(() => cache.close())
  await cache.connect()
  const damage: Record<string, (name: string, bytes: Buffer) => Promise<unknown>> = {
    cut: (name, bytes) => client.set(name, bytes.subarray(0, -1)),
    'a bit of its body': async (name, bytes) => { bytes[bytes.length - 1]! ^= 1; await client.set(name, bytes) },
    'a list': async (name) => { await client.unlink(name); await client.lPush(name, 'item') }
  }
  for (const [title, harm] of Object.entries(damage)) {
    await cache.set('user:ann', 'set')
    await harm(`${prefix}:user:ann`, await scene.bytes({ id: 'user:ann', text: '' }))
    let runs = 0
    for (let i = 0; i < 3; i++) t.equal(await cache.getOrSet('user:ann', () => `produced ${++runs}`), 'produced 1', title)
  }
})

t.test('a response under the key of a value is no value, and the next one replaces it', async (t) => {
  const scene = await openScene(t)
  const { app } = await openSite(t, scene)
  const key: StoreKey = { id: 'user:ann', text: 'user:ann' }
  const all: Entry[] = [response(keyOf('page')), variants(keyOf('page')), response(key), variants(key)]
  for (const entry of all) {
    await app.cache.get(key.id)
    const filled = { incarnation: (await scene.client.zScore(`${scene.prefix}:marks`, 'i'))!.toString(), stamp: (await scene.client.zScore(`${scene.prefix}:marks`, 'c'))! }
    await scene.put(key, encodeEntry({ ...entry, filled, storedAt: Date.now() - 10 }))
    t.strictSame([await app.cache.get(key.id), await app.cache.has(key.id)], [undefined, false])
    let runs = 0
    for (let i = 0; i < 3; i++) t.equal(await app.cache.getOrSet(key.id, () => ++runs, { ttl: '1m' }), 1)
  }
})

t.test('a value that this version of Node cannot read is produced', async (t) => {
  const scene = await openScene(t)
  const { app } = await openSite(t, scene)
  await app.cache.set('user:ann', new Map(), { ttl: '1m' })
  const key: StoreKey = { id: 'user:ann', text: 'user:ann' }
  const stored = decodeEntry(await scene.bytes(key)) as StoredValue
  const body = Buffer.from(stored.body)
  body[1] = 255 // the version of the format of V8
  await scene.put(key, encodeEntry({ ...stored, body }))
  t.equal(await app.cache.get('user:ann'), undefined)
  t.equal(await app.cache.getOrSet('user:ann', () => 'produced', { ttl: '1m' }), 'produced')
})
