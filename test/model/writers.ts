import type { Life } from './simulated-process.ts'
import { tagOf, VALUES, waysToInvalidate, type CachedValue, type Resource } from './things.ts'
import type { World } from './world.ts'

/** What was said about some resources, from when to when. */
export interface Saying {
  readonly resources: readonly Resource[]
  endedAt: number
}

/** Changes a thing, and says so. */
export async function write (world: World, life: Life): Promise<void> {
  const thing = world.integer(0, world.versions.length - 1)
  await world.locked(thing, async () => {
    await world.time.sleep(world.someTime(), life.owner)
    const version = ++world.versions[thing]!
    world.say(life.owner, () => `writes ${version} to thing ${thing}`)
    if (world.chance(0.3)) await world.time.sleep(world.someTime(), life.owner)
    const value = VALUES.find(({ things }) => things.includes(thing))
    if (value !== undefined && world.chance(0.4)) await changeValue(world, { life, value, thing })
    else await invalidate(world, { life, thing })
    // What was not confirmed may still arrive: the lock is not given to the next before it has.
    while (life.connection.pending > 0) await world.time.sleep(1000, life.owner)
  })
}

async function invalidate (world: World, { life, thing }: { life: Life, thing: number }): Promise<void> {
  const { said, meant } = world.pick(waysToInvalidate(thing))
  const options = { soft: world.chance(0.25) }
  const versions = new Map(world.versions.entries())
  await say(world, { life, what: `${said === undefined ? 'all' : JSON.stringify(said)}${options.soft ? ' (soft)' : ''}`, resources: meant, versions, isValue: false }, async () => {
    await (said === undefined ? life.cache.invalidateAll(options) : life.cache.invalidate(said, options))
    world.counts.invalidations++
    return true
  })
}

async function changeValue (world: World, { life, value, thing }: { life: Life, value: CachedValue, thing: number }): Promise<void> {
  const versions = new Map([[thing, world.versions[thing]!]])
  const deletes = world.chance(0.3)
  await say(world, { life, what: `${deletes ? 'delete' : 'set'} ${value.name}`, resources: [value], versions, isValue: true }, async () => {
    world.counts.sets++
    if (!deletes) return await life.cache.set(value.name, value.things.map((one) => world.versions[one]!), { ttl: 3600, tags: value.tags === 'none' ? [] : value.things.map(tagOf) })
    // What another process produces meanwhile may come back after a delete, see docs/client.md; and what this one has sent already by
    // another connection of its pool.
    const comesBack = world.fills.some(({ resource, owner, storesAt, endedAt }) => resource === value && endedAt === Infinity &&
      (owner !== life.owner || (storesAt < Infinity && !life.options.isOrdered)))
    if (comesBack) world.oracle.released(value)
    await life.cache.delete(value.name)
    return !comesBack
  })
}

interface Sentence {
  readonly life: Life
  readonly what: string
  readonly resources: readonly Resource[]
  readonly versions: ReadonlyMap<number, number>
  readonly isValue: boolean
}

/** What is confirmed binds all reads from then on; what is not, may have happened or not. */
async function say (world: World, sentence: Sentence, run: () => Promise<boolean>): Promise<void> {
  const { life, what, resources, isValue } = sentence
  const beganAt = world.time.now
  const saying: Saying = { resources, endedAt: Infinity }
  world.said.push(saying)
  const { faults } = life
  const [toldBefore, heardBefore] = [world.changesTold, world.server.published]
  const isConfirmed = await run().catch(() => false)
  saying.endedAt = world.time.now
  world.say(life.owner, () => `${what}: ${isConfirmed ? 'confirmed' : 'not confirmed'}`)
  if (!isConfirmed) return
  const isTold = isValue ? world.changesTold > toldBefore : world.server.published > heardBefore
  world.oracle.acked({ ...sentence, beganAt, message: isTold ? world.server.published : Infinity })
  world.oracle.looked({ life, beganAt, faults })
}
