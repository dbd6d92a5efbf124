import type { Life } from './simulated-process.ts'
import { RESPONSES, tagOf, VALUES, type CachedResponse, type CachedValue, type Resource } from './things.ts'
import { isUnmarked } from '../../lib/marks/ledger.ts'
import { isPromise } from '../../lib/store/store.ts'
import type { Read } from './oracle.ts'
import type { World } from './world.ts'

/** A fill from its look-up to its end, for what has to be a hit. */
export interface Fill {
  readonly resource: Resource
  readonly owner: number
  readonly beganAt: number
  storesAt: number
  endedAt: number
  isKept: boolean
}

/** What the database shows, thing by thing, at some moments of a handler. */
async function readDatabase ({ world, life, things }: { world: World, life: Life, things: readonly number[] }): Promise<number[]> {
  const versions: number[] = []
  await world.time.sleep(world.someTime(), life.owner)
  for (const thing of things) {
    versions.push(world.versions[thing]!)
    if (world.chance(0.5)) await world.time.sleep(world.someTime(), life.owner)
  }
  return versions
}

export async function readResponse (world: World, life: Life): Promise<void> {
  const resource = world.pick(RESPONSES)
  const read = world.oracle.begin(life, resource)
  world.counts.reads++
  const found = life.engine.lookUp(resource.key, {})
  read.isImmediate = !isPromise(found)
  const result = await found
  if (result.outcome === 'hit') {
    const { versions } = JSON.parse(String(result.response.body)) as { versions: number[] }
    return hit(world, read, versions)
  }
  const reason = result.outcome === 'stale' ? 'stale' : result.reason
  if (reason !== 'store-error') missed(world, read)
  world.say(life.owner, () => `misses ${resource.name}: ${reason}`)
  await fillResponse(world, { life, resource, beganAt: read.beganAt })
}

async function fillResponse (world: World, { life, resource, beganAt }: { life: Life, resource: CachedResponse, beganAt: number }): Promise<void> {
  const filled = life.engine.fillStamp
  const fill = beginFill(world, { life, resource, beganAt })
  const versions = await readDatabase({ world, life, things: resource.things })
  if (!isUnmarked(filled)) {
    const body = Buffer.from(JSON.stringify({ versions }))
    fill.storesAt = world.time.now
    const keepMs = ttlMs(world)
    const made = { filled, labels: resource.labels, body, status: 200, headers: [], removed: [], vary: [], ageMs: 0, costMs: 1, isValidatable: false, whileRevalidateMs: 0, ifErrorMs: 0 }
    fill.isKept = await life.engine.store({ key: resource.key, headers: {} }, life.engine.makeResponse({ key: resource.key, headers: {} }, made, keepMs), keepMs)
    world.say(life.owner, () => `stores ${resource.name} with ${versions.join()}, filled ${filled.stamp}: ${fill.isKept}`)
  }
  fill.endedAt = world.time.now
}

export async function readValue (world: World, life: Life): Promise<void> {
  const resource = world.pick(VALUES)
  const read = world.oracle.begin(life, resource)
  world.counts.reads++
  if (world.chance(0.3)) {
    const found = await life.cache.get<number[]>(resource.name)
    if (found !== undefined) hit(world, read, found)
    return
  }
  await getOrSet(world, { read, resource })
}

async function getOrSet (world: World, { read, resource }: { read: Read, resource: CachedValue }): Promise<void> {
  const { life, beganAt } = read
  const tags = resource.things.map(tagOf)
  read.mayJoin = true
  let fill: Fill | undefined
  const versions = await life.cache.getOrSet(resource.name, async () => {
    missed(world, read)
    fill = beginFill(world, { life, resource, beganAt })
    const produced = await readDatabase({ world, life, things: resource.things })
    fill.storesAt = world.time.now
    world.say(life.owner, () => `produces ${resource.name} with ${produced.join()}`)
    return produced
  }, { ttl: ttlMs(world) / 1000, ...resource.tags === 'none' ? {} : { tags: resource.tags === 'list' ? tags : () => tags } })
  if (fill === undefined) return hit(world, read, versions)
  const own = fill
  own.endedAt = world.time.now
  own.isKept = !world.fills.some((other) => other !== own && other.resource === resource && other.owner === own.owner && other.endedAt >= own.beganAt)
}

function hit (world: World, read: Read, versions: readonly number[]): void {
  const { life, resource } = read
  // A value comes with a promise in any case.
  read.isImmediate ||= world.time.now === read.beganAt
  world.counts.hits++
  if (read.isImmediate) world.counts.memoryHits++
  world.say(life.owner, () => `hits ${resource.name}${read.isImmediate ? ' in memory' : ''}: ${versions.join()}`)
  const wrong = world.oracle.wrong(read, versions)
  if (wrong !== undefined) world.wrong.push(wrong)
  if (!read.isImmediate) world.oracle.looked(read)
}

function missed (world: World, read: Read): void {
  world.oracle.looked(read)
  const { resource, beganAt } = read
  if (world.faults === 'none' && mustHit(world, { resource, beganAt })) world.wrong.push(`${resource.name} in ${read.life.owner}, asked at ${beganAt}, was lost without cause`)
}

/** Whether whatever may be in Redis for it is live: filled after all that was said about it. */
function mustHit (world: World, { resource, beganAt }: { resource: Resource, beganAt: number }): boolean {
  const fills = world.fills.filter((fill) => fill.resource === resource)
  const last = fills.filter(({ isKept, endedAt }) => isKept && endedAt <= beganAt).sort((a, b) => b.endedAt - a.endedAt)[0]
  if (last === undefined) return false
  const since = Math.min(...fills.filter(({ endedAt }) => endedAt >= last.storesAt).map((fill) => fill.beganAt))
  return !world.said.some(({ resources, endedAt }) => resources.includes(resource) && endedAt >= since)
}

function beginFill (world: World, { life, resource, beganAt }: { life: Life, resource: Resource, beganAt: number }): Fill {
  const fill: Fill = { resource, owner: life.owner, beganAt, storesAt: Infinity, endedAt: Infinity, isKept: false }
  world.fills.push(fill)
  return fill
}

/** Without faults nothing ends before its schedule does. */
function ttlMs (world: World): number {
  return world.faults === 'none' || world.chance(0.7) ? 3_600_000 : world.integer(5, 2000)
}
