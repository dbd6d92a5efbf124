// npm --prefix bench install && npx tsx bench/invalidate-during-fill.js
//
// A tag is invalidated while the function that reads the database runs. Is the old value served afterwards? Each cache in its own
// memory, with the calls its documentation shows for tags; the control shows that its invalidation works once the value is stored.
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { Cacheable } from 'cacheable'
import { createCache } from '../lib/index.ts'

const TTL_MS = 600_000

const ours = createCache()
const bento = new BentoCache({ default: 'memory', stores: { memory: bentostore().useL1Layer(memoryDriver({})) } })
const cacheable = new Cacheable({ tags: true, ttl: TTL_MS })

/** `getOrSet(key, tags, produce)`: `produce` gets a function that adds tags. */
const contestants = [{
  name: 'fastify-response-cache',
  getOrSet (key, tags, produce) {
    const all = [...tags]
    return ours.getOrSet(key, () => produce((more) => { all.push(...more) }), { ttl: '10m', tags: () => all })
  },
  invalidate: (tag) => ours.invalidateTags(tag)
}, {
  name: 'bentocache',
  getOrSet: (key, tags, produce) => bento.getOrSet({ key, ttl: TTL_MS, tags, factory: ({ setTags }) => produce((more) => { setTags([...tags, ...more]) }) }),
  invalidate: (tag) => bento.deleteByTag({ tags: [tag] })
}, {
  name: 'cacheable',
  async getOrSet (key, tags, produce) {
    const all = [...tags]
    const found = await cacheable.get(key)
    if (found !== undefined) return found
    const produced = await produce((more) => { all.push(...more) })
    await cacheable.set(key, produced, { tags: all, ttl: TTL_MS })
    return produced
  },
  invalidate: (tag) => cacheable.tags.invalidateTag(tag)
}]

/** What the second reader gets, after an invalidation during or after the read of the first. */
async function secondRead (cache, { key, tagInside, during }) {
  let database = 'old'
  const change = async () => {
    database = 'new'
    await cache.invalidate(key)
  }
  const tags = tagInside ? [] : [key]
  await cache.getOrSet(key, tags, async (addTags) => {
    const read = database
    if (tagInside) addTags([key])
    if (during) await change()
    await aWhile()
    return read
  })
  if (!during) {
    await aWhile()
    await change()
  }
  return await cache.getOrSet(key, tags, async () => database)
}

/** Longer than a tick of clocks that count milliseconds. */
function aWhile () {
  return new Promise((resolve) => { setTimeout(resolve, 10) })
}

const rows = {}
for (const cache of contestants) {
  rows[cache.name] = {
    'after the fill (control)': await secondRead(cache, { key: 'a', tagInside: false, during: false }),
    'during the fill': await secondRead(cache, { key: 'b', tagInside: false, during: true }),
    'during the fill, tag added inside': await secondRead(cache, { key: 'c', tagInside: true, during: true })
  }
}
console.log(`A second reader gets, ${new Date().toISOString().slice(0, 10)}, Node ${process.version}:`)
console.table(rows)
await Promise.all([ours.close(), bento.disconnectAll(), cacheable.disconnect()])
