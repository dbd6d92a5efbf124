/** Compiled by `npm run typecheck`, never run. */
import Fastify from 'fastify'
import responseCache, { createCache, type Cache, type RouteCacheOptions } from 'fastify-response-cache'

const app = Fastify()
const handler = async () => ({ hello: 'world' })

// All options of freshness and load, on a route.
app.get('/', {
  config: {
    cache: {
      ttl: '1m',
      lock: { waitMs: 10_000, leaseMs: 2000 },
      staleWhileRevalidate: '5m',
      staleIfError: 86_400,
      refreshThrottle: '500ms',
      softTimeout: 0.2,
      hardTimeout: '1s',
      refreshAhead: true,
      jitter: 0.25,
      adaptiveTtl: { min: '5s', max: '1h', maxStaleFraction: 0.05 },
      maxConcurrentFills: 20
    }
  }
}, handler)
app.get('/', { config: { cache: { ttl: '1m', lock: false, refreshAhead: false, jitter: 0, adaptiveTtl: { min: 1, max: 60 } } } }, handler)
app.get('/', { config: { cache: { ttl: '1m', lock: { leaseMs: 500 } } } }, handler)

// And for namespaces and all, also of a cache without Fastify, which reads their ttl.
const shared = { staleWhileRevalidate: '5m', staleIfError: '1d', jitter: 0.25 } satisfies RouteCacheOptions
await app.register(responseCache, { defaults: { ttl: '1m', ...shared }, namespaces: { slow: { ...shared, lock: { waitMs: 20_000 }, softTimeout: '1s' } } })
createCache({ defaults: { ttl: { until: 'midnight' }, ...shared } })

// The ttl of a route: by status, until a moment, or what a function says, which may be any of these.
app.get('/', { config: { cache: { ttl: { 200: '5m', 404: '10s' } } } }, handler)
app.get('/', { config: { cache: { ttl: new Date() } } }, handler)
app.get('/', { config: { cache: { ttl: { until: '09:30', timeZone: 'Europe/Berlin' } } } }, handler)
app.get('/', { config: { cache: { ttl: (request) => Number(request.params.year) < 2026 ? { until: 'midnight', timeZone: 'UTC' } : '1m' } } }, handler)
app.get('/', { config: { cache: { ttl: (_request, reply) => reply.statusCode === 404 ? new Date() : { 200: 'long' } } } }, handler)

// @ts-expect-error these are numbers of milliseconds
app.get('/', { config: { cache: { ttl: '1m', lock: { waitMs: '10s' } } } }, handler)
// @ts-expect-error a duration
app.get('/', { config: { cache: { ttl: '1m', staleWhileRevalidate: true } } }, handler)
// @ts-expect-error a duration, not a moment
app.get('/', { config: { cache: { ttl: '1m', staleIfError: { until: 'midnight' } } } }, handler)
// @ts-expect-error there is nothing to say but whether
app.get('/', { config: { cache: { ttl: '1m', refreshAhead: '10s' } } }, handler)
// @ts-expect-error a number
app.get('/', { config: { cache: { ttl: '1m', jitter: '10%' } } }, handler)
// @ts-expect-error a number
app.get('/', { config: { cache: { ttl: '1m', maxConcurrentFills: '20' } } }, handler)
// @ts-expect-error both bounds are required
app.get('/', { config: { cache: { ttl: '1m', adaptiveTtl: { min: '5s' } } } }, handler)
// @ts-expect-error bounds have to be said
app.get('/', { config: { cache: { ttl: '1m', adaptiveTtl: true } } }, handler)
// @ts-expect-error no functions but for the whole
app.get('/', { config: { cache: { ttl: { 200: () => '5m' } } } }, handler)
// @ts-expect-error a function gives a ttl
app.get('/', { config: { cache: { ttl: () => undefined } } }, handler)
// @ts-expect-error and gives it at once
app.get('/', { config: { cache: { ttl: async () => '5m' } } }, handler)
// @ts-expect-error in place of the options there are texts and numbers only
app.get<{ Params: { id: string } }>('/', { config: { cache: { until: 'midnight' } } }, handler)

// Names are checked where TypeScript does not infer the type of `config`; see config-cache.tst.ts.
// @ts-expect-error `true` says nothing that leaving it out does not
createCache({ defaults: { lock: true } })
// @ts-expect-error there is no such option of a lock
createCache({ defaults: { lock: { timeoutMs: 10 } } })
// @ts-expect-error the names are those of RFC 5861, in camel case
createCache({ namespaces: { slow: { staleWhileRevalidating: '5m' } } })
// @ts-expect-error there is no such option of adaptiveTtl
app.get<{ Params: { id: string } }>('/', { config: { cache: { ttl: '1m', adaptiveTtl: { min: 1, max: 2, fraction: 0.1 } } } }, handler)

declare const cache: Cache

// Values of the client have no status.
await cache.set('key', 1, { ttl: { until: 'midnight', timeZone: 'UTC' } })
await cache.getOrSet('key', () => 1, { ttl: new Date() })
// @ts-expect-error by status is for responses
await cache.set('key', 1, { ttl: { 200: '5m' } })

// What is warmed.
await app.register(responseCache, { warm: ['/countries', { url: '/me', headers: { authorization: 'x' } }, { key: 'rates', produce: async () => 1, ttl: '1h' }, { hottest: 50 }] })
await app.register(responseCache, { warm: { targets: () => ['/countries'], every: '5m', concurrency: 4, headers: { host: 'shop.test' }, countHits: true } })
const { filled, fresh, failed, failures } = await cache.warm(['/countries'], { concurrency: 4, onProgress: ({ done, total }) => { console.log(done / (total ?? 1)) } })
export const counts: number[] = [filled, fresh, failed, failures.length]
await cache.warm(new Set(['/countries']), { onProgress: false, signal: AbortSignal.timeout(1000) })
await cache.warm(async function * () { yield '/countries' })
// @ts-expect-error a key needs what produces its value
await cache.warm([{ key: 'rates' }])
// @ts-expect-error a bar is the default
await cache.warm(['/countries'], { onProgress: true })
// @ts-expect-error targets are asked for again, options of a call are not
await app.register(responseCache, { warm: { targets: [], onProgress: false } })

// What it has done.
const { hits, stale, misses, bypasses, collapsed, fills, refreshes, refreshErrors, refused, adaptiveTtl } = cache.stats()
export const done: number[] = [hits, stale, misses, bypasses, collapsed, fills, refreshes, refreshErrors, refused]
export const chosen: Array<[key: string, ttl: number, why: string]> = adaptiveTtl.map(({ key, ttl, why }) => [key, ttl, why])
// @ts-expect-error a copy that nothing is counted in
adaptiveTtl.push({ key: '', ttl: 1, why: '' })
