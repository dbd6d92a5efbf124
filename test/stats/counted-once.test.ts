import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ResponseCacheOptions, ResponseMessage } from 'fastify-response-cache'
import t, { type Test } from 'tap'
import { addCounts } from '../../lib/stats/counts.ts'
import { useRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { diceOf, plain } from './fleet-scene.ts'
import { openMixedApp, type MixedApp } from './mixed-app.ts'
import { add, sorted, tallyOf, toldOutcome, type Tally } from './seen.ts'
import { senderByHttp, senderByHttp2, senderByInject, visit, type Sender } from './visitors.ts'

const REQUESTS = Number(process.env.COUNTED_REQUESTS ?? 250)
const SEED = Number(process.env.COUNTED_SEED ?? 1)

interface Way {
  readonly open: (t: Test, app: MixedApp['app']) => Promise<Sender> | Sender
  readonly http2?: boolean
  readonly mayGo?: boolean
  readonly redis?: boolean
}

const WAYS: Readonly<Record<string, Way>> = {
  inject: { open: (_t, app) => senderByInject(app) },
  'HTTP/1.1': { open: senderByHttp },
  'HTTP/1.1 whose clients may go away': { open: senderByHttp, mayGo: true },
  // Whose clients stay: a server of Node 20 may not close after some have left, also without the cache.
  'HTTP/2': { open: senderByHttp2, http2: true },
  'HTTP/1.1, with Redis, whose clients may go away': { open: senderByHttp, mayGo: true, redis: true }
}

/** Answers that carry no word of the cache: past Fastify, cut before they begin, or of fields that cannot be sent. */
const UNREADABLE = /^GET \/(?:hijack|cut|unsendable)\//

for (const [name, { open, http2 = false, mayGo = false, redis = false }] of Object.entries(WAYS)) {
  t.test(`each request of a client is counted once, as what its response says it is: ${name}`, async (t) => {
    const dice = diceOf(SEED)
    const cache: ResponseCacheOptions = redis ? await useRedis(t).then(({ url, prefix }) => ({ redis: url, prefix, timeouts: { read: '5s', write: '5s' } })) : {}
    const told = listen(t)
    const { app, arrived, pass } = await openMixedApp(t, { dice, cache, http2 })
    await app.cache.connect()
    const seen = await visit(await open(t, app), { requests: REQUESTS, dice, mayGo, pass })
    const stats = () => app.cache.stats()
    // Handlers whose clients have gone are still at work.
    await until(() => sum(arrived) === requestsOf(stats())).catch(() => {})
    t.equal(requestsOf(stats()), sum(arrived), `seed ${SEED}: as many as came to the cache`)

    const { routes } = stats()
    for (const one of routes) t.equal(requestsOf(one), arrived.get(one.route) ?? 0, one.route)
    t.strictSame(sorted(told), sorted(tallyOf(routes)), 'what the channel has told')
    // Of clients that have gone, and of handlers that answer past Fastify, nobody has read what the cache did.
    const unread = new Map(tallyOf(routes))
    for (const [what, count] of seen.told) {
      const counted = unread.get(what) ?? 0
      t.ok(count <= counted, `${what}: ${count} were seen, ${counted} counted`)
      unread.set(what, counted - count)
    }
    if (!mayGo) for (const [what, count] of unread) t.ok(count === 0 || UNREADABLE.test(what), `${what}: ${count} that nobody saw`)

    for (const one of routes) {
      t.equal(one.cached.count, one.hits + one.stale)
      t.equal(one.uncached.count, one.misses)
      for (const { count, classes, sumMs } of [one.cached, one.uncached]) t.ok(count === sum(classes) && (count === 0 || sumMs > 0))
    }
    t.strictSame(plain(addCounts(routes)), plain(addCounts(Object.values(stats().namespaces))))
    t.match(plain(stats()), plain(addCounts(routes)))
    const fleet = await app.cache.stats({ fleet: true, last: '24h' })
    t.strictSame(sorted(tallyOf(fleet.routes)), sorted(tallyOf(stats().routes)), 'and what Redis was told')
    t.comment(Object.entries(stats()).filter(([, value]) => typeof value === 'number').map(([name, value]) => `${name} ${Math.round(value as number)}`).join(', '))
  })
}

/** What the channel tells of the requests to `t`. */
function listen (t: Test): Tally {
  const tally: Tally = new Map()
  const onMessage = (message: unknown): void => {
    const told = message as ResponseMessage
    add(tally, told.route, toldOutcome(told))
  }
  subscribe('fastify-response-cache:response', onMessage)
  t.teardown(() => unsubscribe('fastify-response-cache:response', onMessage))
  return tally
}

function requestsOf ({ hits, stale, misses, bypasses, refused }: { hits: number, stale: number, misses: number, bypasses: number, refused: number }): number {
  return hits + stale + misses + bypasses + refused
}

function sum (numbers: Iterable<number> | Map<string, number>): number {
  let sum = 0
  for (const number of numbers instanceof Map ? numbers.values() : numbers) sum += number
  return sum
}
