import t from 'tap'
import { decodeEntry, encodeEntry } from '../../lib/index.ts'
import { openScene, value, variants } from './damaged-scene.ts'
import { fill, openSite } from './damaged-site.ts'
import { until } from '../helpers/until.ts'

for (const memory of [false, { maxBytes: 1_000_000 }] as const) {
  t.test(`whatever is wrong with a stored response, the route answers it with 200 and its own body, and the next one is a hit [memory: ${memory !== false}]`, async (t) => {
    const scene = await openScene(t)
    const writer = await openSite(t, scene)
    const [own] = await fill(scene, writer, '/own')
    const [other] = await fill(scene, writer, '/other')
    const listed = await fill(scene, writer, '/varied/own', { 'accept-language': 'de' })
    const good = await scene.bytes(own!)
    const entry = decodeEntry(good)!
    await writer.app.cache.set('a:value', Buffer.from('a value'), { ttl: '5m' })
    const bad: Record<string, Buffer> = {
      'an older version': Buffer.concat([Buffer.from('FRC\x03'), good.subarray(4)]),
      'a newer version': Buffer.concat([Buffer.from('FRC\x05'), good.subarray(4)]),
      'the response to another URL': await scene.bytes(other!),
      'a variant, or the list of variants, of another URL': await scene.bytes(listed[0]!),
      'the list of variants, or a variant, of another URL': await scene.bytes(listed[1]!),
      'a value': await scene.bytes({ id: 'a:value', text: '' }),
      'a value that says it has this key': encodeEntry(value(own!, { key: entry.key, filled: { ...entry.filled, stamp: entry.filled.stamp - 1 } })),
      'a cut frame': good.subarray(0, -2),
      'a list of variants of this key by fields of a prototype': encodeEntry(variants(own!, { key: entry.key, filled: { ...entry.filled, stamp: entry.filled.stamp - 1 }, names: ['constructor'] }))
    }
    for (const [title, bytes] of Object.entries(bad)) {
      const site = await openSite(t, scene, memory)
      await scene.put(own!, bytes)
      const first = await site.ask('/own')
      t.match(first, { status: 200, cache: 'MISS', body: /^\/own \d+$/ }, title)
      await until(async () => (await site.ask('/own')).cache === 'HIT')
      t.match(await site.ask('/own'), { status: 200, body: /^\/own \d+$/ }, title)
      t.equal((await site.ask('/other')).body, (await writer.ask('/other')).body)
      await site.app.close()
    }
  })
}
