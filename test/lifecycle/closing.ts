/**
 * Programs that close what they use and then have to end by themselves:
 * `node --import=tsx test/lifecycle/closing.ts <scene> '<ClosingSettings as JSON>'`.
 */
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache, { createCache, type CacheOptions } from '../../lib/index.ts'
import { now, say } from './said.ts'

export interface ClosingSettings {
  readonly redis?: string
  readonly prefix: string
  readonly memory?: boolean
}

export interface Closed {
  /** How long `close()` took. */
  readonly ms: number
  /** What came of what was under way, by name. */
  readonly outcomes: Record<string, string>
  /** Warnings of the cache, by their state or text. */
  readonly lines: string[]
  readonly unhandled: string[]
}

const [scene, json] = process.argv.slice(2) as [string, string]
const settings = JSON.parse(json) as ClosingSettings
const [lines, unhandled]: [string[], string[]] = [[], []]
process.on('warning', ({ message }) => { lines.push(message) })
process.on('unhandledRejection', (fault) => { unhandled.push(String(fault)) })

const scenes: Record<string, () => Promise<void>> = {
  async 'a client alone' () {
    const cache = createCache(optionsOf(settings))
    await cache.set('a', 1)
    await closes(() => cache.close(), { value: Promise.resolve(String(await cache.get('a'))) })
  },

  async 'await using' () {
    const at = now()
    {
      await using cache = createCache(optionsOf(settings))
      await cache.getOrSet('a', () => 1)
    }
    say({ ms: now() - at, outcomes: {}, lines, unhandled } satisfies Closed)
  },

  async 'while it connects' () {
    const cache = createCache(optionsOf(settings))
    const [connected, got, stored, invalidated] = [cache.connect(), cache.get('a'), cache.set('a', 1), cache.invalidateTags('t')]
    await closes(() => cache.close(), { connected, got, stored, invalidated })
  },

  async 'an app that was never ready' () {
    const app = await buildApp()
    await closes(() => app.close(), {})
  },

  async 'an app that is getting ready' () {
    const app = await buildApp()
    const isReady = app.ready()
    await closes(() => app.close(), { isReady: Promise.resolve(isReady) })
  },

  async 'twice' () {
    const app = await buildApp()
    await app.ready()
    await app.inject('/page')
    const first = app.cache.close()
    await closes(() => Promise.all([app.close(), app.cache.close(), app.close()]), { first, second: app.cache.close() })
  },

  /** The parent freezes Redis once it is told that the app is in use, and lets this go on. */
  async 'while Redis hangs' () {
    const app = await buildApp()
    await app.ready()
    await app.cache.connect()
    app.cache.invalidateOn('changed', () => ({ tags: ['t'] }))
    for (const url of ['/page', '/page', '/stale', '/slow']) await app.inject(url)
    say({ outcomes: { state: 'in use' } })
    await toldToGoOn()
    const page = app.inject('/page').then(({ statusCode, payload }) => `${statusCode} ${payload}`)
    await closes(() => app.close(), {
      page,
      invalidated: app.cache.invalidateTags('t'),
      deleted: app.cache.delete('value'),
      published: app.cache.publish('changed'),
      stored: app.cache.set('value', 1),
      produced: app.cache.getOrSet('other', () => 'made'),
      swept: app.cache.sweep(),
      warmed: app.cache.warm([{ url: '/never/1' }, { url: '/never/2' }])
    })
  },

  async 'with work under way' () {
    const app = await buildApp()
    await app.ready()
    if (settings.redis !== undefined) await app.cache.connect()
    for (const url of ['/stale', '/stale']) await app.inject(url)
    await new Promise((resolve) => { setTimeout(resolve, 20) }) // now it is stale
    const outcomes = {
      refreshed: app.inject('/stale').then(({ statusCode }) => String(statusCode)),
      slow: app.inject('/slow').then(({ statusCode, payload }) => `${statusCode} ${payload}`),
      waiter: app.inject('/slow').then(({ statusCode, payload }) => `${statusCode} ${payload}`),
      compressed: app.inject('/compressed').then(({ statusCode, payload }) => `${statusCode} ${payload.length}`),
      warmed: app.cache.warm(Array.from({ length: 50 }, (_, i) => ({ url: `/slow?${i}` })), { concurrency: 2 }),
      produced: app.cache.getOrSet('slow', () => new Promise((resolve) => { setTimeout(resolve, 50, 'made') })),
      invalidated: app.cache.invalidateTags('t'),
      swept: app.cache.sweep()
    }
    await new Promise((resolve) => { setTimeout(resolve, 10) })
    await closes(() => app.close(), outcomes)
  }
}

// Loading it takes its time on a busy machine, which is not what is measured.
if (settings.redis !== undefined) await import('redis')
await scenes[scene]!()

async function buildApp (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(responseCache, optionsOf(settings))
  const slowly = async (): Promise<string> => await new Promise((resolve) => { setTimeout(resolve, 100, 'slow') })
  app.get('/page', { config: { cache: true } }, async () => 'page')
  app.get('/stale', { config: { cache: { ttl: '10ms', jitter: 0, staleWhileRevalidate: '1m' } } }, slowly)
  app.get('/slow', { config: { cache: true } }, slowly)
  app.get('/never/:id', { config: { cache: true } }, slowly)
  app.get('/compressed', { config: { cache: { compress: true } } }, async () => 'x'.repeat(2_000_000))
  return app
}

function optionsOf ({ redis, prefix, memory }: ClosingSettings): CacheOptions {
  return {
    prefix,
    ...redis === undefined ? {} : { redis, timeouts: { read: '1s', write: '1s' } },
    ...memory === true ? { memory: {} } : {},
    defaults: { ttl: '1m' },
    logger: { info () {}, warn: (details, message) => { lines.push(`${message}: ${String((details as { err?: unknown }).err)}`) } }
  }
}

/** Closes while these are under way, and says when and how all of that has ended. */
async function closes (close: () => Promise<unknown>, under: Record<string, Promise<unknown>>): Promise<void> {
  const outcomes: Record<string, string> = {}
  const ended = Object.entries(under).map(async ([name, promise]) => {
    outcomes[name] = await promise.then((value) => typeof value === 'string' ? value : 'resolved', (fault: Error & { code?: string }) => fault.code ?? fault.message)
  })
  const at = now()
  await close()
  const ms = now() - at
  await Promise.all(ended)
  say({ ms, outcomes, lines, unhandled } satisfies Closed)
}

async function toldToGoOn (): Promise<void> {
  await new Promise((resolve) => { process.stdin.once('data', resolve) })
  process.stdin.destroy()
}
