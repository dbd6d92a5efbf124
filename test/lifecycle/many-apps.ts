/**
 * Starts and stops apps and tells what is left of them:
 * `node --expose-gc --import=tsx test/lifecycle/many-apps.ts '<ManyApps as JSON>'`.
 */
import Fastify from 'fastify'
import { createClient } from 'redis'
import responseCache from '../../lib/index.ts'
import type { RedisOption } from '../../lib/store/redis-client.ts'
import { say, until } from './said.ts'

export interface ManyApps {
  readonly count: number
  readonly prefix: string
  /** A URL or options of a cluster; nothing: entries are kept in the process. */
  readonly redis?: string | { readonly rootNodes: Array<{ url: string }> }
  /** Copies in memory in front of Redis. */
  readonly memory?: boolean
  /** All apps share one client that is not theirs. */
  readonly isOwnClient?: boolean
  /** Redis is not there: nobody waits for it. */
  readonly isAway?: boolean
}

export interface Sample {
  readonly heapBytes: number
  /** Kinds of what keeps a process alive, sorted. */
  readonly resources: string[]
  /** Listeners on the client that is shared, by event. */
  readonly listeners: Record<string, number>
}

export interface ManyAppsReport {
  readonly before: Sample
  readonly after: Sample
  /** Of the apps that were started and stopped, those that are still in memory. */
  readonly kept: number
  readonly answers: Record<string, number>
  readonly warnings: string[]
  readonly unhandled: string[]
}

const settings = JSON.parse(process.argv[2]!) as ManyApps
const [warnings, unhandled]: [string[], string[]] = [[], []]
process.on('warning', ({ name, message }) => { warnings.push(`${name}: ${message}`) })
process.on('unhandledRejection', (fault) => { unhandled.push(String(fault)) })

/** The first apps load code and make Node compile it. */
const FIRST = 20

const shared = settings.isOwnClient === true ? createClient({ url: settings.redis as string }) : undefined
shared?.on('error', () => {})
await shared?.connect()

const answers: Record<string, number> = {}
const refs: Array<WeakRef<object>> = []

await runApps(Math.min(FIRST, settings.count))
const before = await sample()
refs.length = 0
for (const word of Object.keys(answers)) delete answers[word]
await runApps(settings.count)
await until(async () => {
  const { resources } = await sample()
  return resources.length <= before.resources.length && keptApps() === 0
})
const after = await sample()
await shared?.close()
say({ before, after, kept: keptApps(), answers, warnings, unhandled } satisfies ManyAppsReport)

async function runApps (count: number): Promise<void> {
  for (let i = 0; i < count; i++) refs.push(new WeakRef(await runApp(i)))
}

/** One life: everything that makes timers, listeners or connections is used once. */
async function runApp (i: number): Promise<object> {
  const { prefix, redis, memory, isAway } = settings
  const app = Fastify()
  await app.register(responseCache, {
    prefix,
    ...redis === undefined ? {} : { redis: (shared ?? redis) as RedisOption, timeouts: isAway === true ? { read: '20ms' } : { read: '5s', write: '5s' } },
    ...memory === true ? { memory: {} } : {},
    defaults: { ttl: '1m' }
  })
  app.get('/:id', { config: { cache: { staleWhileRevalidate: '1m', tags: ['all'] } } }, async ({ url }) => url)
  app.cache.invalidateOn('changed', () => ({ tags: ['changed'] }))
  await app.ready()
  if (isAway !== true) await app.cache.connect()
  // Two at once: the second one waits for the first.
  const responses = await Promise.all([app.inject(`/${i % 5}`), app.inject(`/${i % 5}`)])
  responses.push(await app.inject(`/${i % 5}`))
  for (const { headers } of responses) count(String(headers['x-cache']))
  if (isAway !== true) {
    await app.cache.getOrSet(`value:${i % 5}`, () => i)
    await app.cache.publish('changed', i)
    if (i % 5 === 0) await app.cache.invalidateTags('all')
  }
  await app.close()
  return app
}

function count (word: string): void {
  answers[word] = (answers[word] ?? 0) + 1
}

function keptApps (): number {
  return refs.filter((ref) => ref.deref() !== undefined).length
}

async function sample (): Promise<Sample> {
  // Weak references are cleared, and sockets closed, in later turns.
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => { setImmediate(resolve) })
    globalThis.gc!()
  }
  const events = shared?.eventNames() ?? []
  return {
    heapBytes: process.memoryUsage().heapUsed,
    resources: process.getActiveResourcesInfo().toSorted(),
    listeners: Object.fromEntries(events.map((event) => [String(event), shared!.listenerCount(event)]))
  }
}
