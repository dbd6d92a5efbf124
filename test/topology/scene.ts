import Fastify, { type FastifyInstance } from 'fastify'
import { setTimeout } from 'node:timers/promises'
import responseCache, { type CacheOptions } from '../../lib/index.ts'
import type { RedisOption } from '../../lib/store/redis-client.ts'
import type { Ending } from '../helpers/redis-cluster.ts'
import { Versions } from './versions.ts'

const THINGS = 12
const HANDLER_MS = 3
/** What is not back after this is not coming back. */
const GIVE_UP_MS = 15_000
/** Copies in memory may be as old as this when their process cannot hear of invalidations. */
export const MAX_BLIND_MS = 1000

export interface SceneOptions {
  readonly redis: RedisOption
  /** Default: by the time. With a hash tag all keys are in one slot. */
  readonly prefix?: string
  readonly timeouts?: CacheOptions['timeouts']
}

/** What happened since the counts were last taken. Times in milliseconds. */
export interface Counts {
  requests: number
  clientErrors: number
  /** Older than what was acknowledged before they were asked for, without a word that they may be. */
  staleAsFresh: number
  /** The same from memory, within the time in which that is allowed. */
  oldCopies: number
  oldestCopyMs: number
  acknowledged: number
  unacknowledged: number
  readonly latencies: number[]
  readonly uncachedLatencies: number[]
  readonly examples: string[]
}

interface Served {
  readonly name: string
  readonly app: FastifyInstance
  /** 0: its answers must never be old. */
  readonly blindMs: number
}

/**
 * Apps that share a cache as processes do, each with a connection of its own: two with Redis alone, two with memory in front of it, and
 * one without a cache. All of them read, the cached ones change things, and everything that is answered is judged.
 */
export class Scene {
  readonly prefix: string
  readonly versions = new Versions(THINGS)
  readonly #apps: Served[] = []
  readonly #faults: unknown[] = []
  #uncached: FastifyInstance | undefined
  #counts = noCounts()
  #isLoaded = false
  #load: Promise<unknown> = Promise.resolve()

  private constructor (prefix: string) {
    this.prefix = prefix
  }

  static async open (t: Ending, { redis, prefix = `topology-${Date.now()}`, timeouts = {} }: SceneOptions): Promise<Scene> {
    const scene = new Scene(prefix)
    const note = (fault: unknown): void => { scene.#faults.push(fault) }
    process.on('unhandledRejection', note)
    t.teardown(async () => {
      scene.#isLoaded = false
      await scene.#load
      await Promise.all([...scene.#apps.map(({ app }) => app.close()), scene.#uncached?.close()])
      process.off('unhandledRejection', note)
    })
    const options: CacheOptions = { redis, prefix, timeouts, defaults: { ttl: '1h' } }
    const memory = { maxBlindMs: MAX_BLIND_MS }
    for (const name of ['redis 1', 'redis 2']) scene.#apps.push({ name, app: await scene.#build(options), blindMs: 0 })
    for (const name of ['memory 1', 'memory 2']) scene.#apps.push({ name, app: await scene.#build({ ...options, memory }), blindMs: MAX_BLIND_MS })
    scene.#uncached = await scene.#build({ enabled: false, defaults: { ttl: '1h' } })
    await Promise.all(scene.#apps.map(({ app }) => app.cache.connect()))
    await scene.untilNormal()
    return scene
  }

  get unhandled (): readonly unknown[] {
    return this.#faults
  }

  get apps (): readonly Served[] {
    return this.#apps
  }

  /** Begins to ask and to change things, until `stopLoad`. */
  startLoad (): void {
    this.#isLoaded = true
    const loops = this.#apps.flatMap((served) => [() => this.#ask(served), () => this.#ask(served), () => this.#change(served)])
    this.#load = Promise.all([...loops, () => this.#askUncached()].map(async (step) => {
      while (this.#isLoaded) {
        await step()
        await setTimeout(Math.random() * 8)
      }
    }))
  }

  async stopLoad (): Promise<void> {
    this.#isLoaded = false
    await this.#load
  }

  takeCounts (): Counts {
    const counts = this.#counts
    this.#counts = noCounts()
    return counts
  }

  /** Until every app answers everything from the cache, and its invalidations are acknowledged, but not for longer than `GIVE_UP_MS`. */
  async untilNormal (): Promise<{ readonly ms: number, readonly isNormal: boolean }> {
    const beganAt = performance.now()
    const areNormal = await Promise.all(this.#apps.map(async (served) => {
      while (performance.now() - beganAt < GIVE_UP_MS) {
        if (await this.#isNormal(served)) return true
        await setTimeout(20)
      }
      return false
    }))
    return { ms: performance.now() - beganAt, isNormal: areNormal.every(Boolean) }
  }

  /** Until there was so much since the counts were last taken, but not for longer than `GIVE_UP_MS`. */
  async untilLoaded (least: { readonly requests: number, readonly acknowledged: number }): Promise<void> {
    const beganAt = performance.now()
    const isLess = (): boolean => this.#counts.requests < least.requests || this.#counts.acknowledged < least.acknowledged
    while (isLess() && performance.now() - beganAt < GIVE_UP_MS) await setTimeout(20)
  }

  async request (served: Served, thing: number): Promise<{ version: number, cache: unknown, cacheStatus: string }> {
    const beganAt = performance.now()
    const counts = this.#counts
    counts.requests++
    const { statusCode, headers, body } = await served.app.inject(`/things/${thing}`)
    counts.latencies.push(performance.now() - beganAt)
    const answer = { version: statusCode === 200 ? Number(body) : NaN, cache: headers['x-cache'], cacheStatus: String(headers['cache-status']) }
    if (!Number.isInteger(answer.version)) counts.clientErrors++
    else this.#judge(served, { thing, beganAt, ...answer })
    return answer
  }

  /** Tells whether it was acknowledged. */
  async change (served: Served, thing: number): Promise<boolean> {
    const version = this.versions.raise(thing)
    try {
      await served.app.cache.invalidateTags([`thing:${thing}`])
    } catch {
      this.#counts.unacknowledged++
      return false // nobody was told that it is done
    }
    this.versions.acknowledge(thing, version)
    this.#counts.acknowledged++
    return true
  }

  #judge (served: Served, { thing, version, beganAt, cache, cacheStatus }: { thing: number, version: number, beganAt: number, cache: unknown, cacheStatus: string }): void {
    if (cache === 'STALE') return
    const lateMs = this.versions.lateMs(thing, version, beganAt)
    if (lateMs === 0) return
    const counts = this.#counts
    if (lateMs <= served.blindMs) {
      counts.oldCopies++
      counts.oldestCopyMs = Math.max(counts.oldestCopyMs, lateMs)
      return
    }
    counts.staleAsFresh++
    if (counts.examples.length < 10) counts.examples.push(`${served.name}: thing ${thing}, version ${version}, ${lateMs.toFixed(1)} ms after a newer one was acknowledged (${cacheStatus})`)
  }

  async #ask (served: Served): Promise<void> {
    await this.request(served, Math.floor(Math.random() * THINGS))
  }

  async #askUncached (): Promise<void> {
    const [beganAt, counts] = [performance.now(), this.#counts]
    await this.#uncached?.inject(`/things/${Math.floor(Math.random() * THINGS)}`)
    counts.uncachedLatencies.push(performance.now() - beganAt)
  }

  async #change (served: Served): Promise<void> {
    await this.change(served, Math.floor(Math.random() * THINGS))
    await setTimeout(30)
  }

  async #isNormal (served: Served): Promise<boolean> {
    for (let thing = 0; thing < THINGS; thing++) {
      const { cacheStatus } = await this.request(served, thing)
      if (cacheStatus.includes('store-error')) return false
    }
    if (!await this.change(served, 0)) return false
    for (let tries = 0; tries < 10; tries++) if (/HIT/.test(String((await this.request(served, 1)).cache))) return true
    return false
  }

  async #build (options: CacheOptions): Promise<FastifyInstance> {
    const app = Fastify()
    await app.register(responseCache, { ...options, name: 'test' })
    app.get<{ Params: { id: string } }>('/things/:id', {
      config: { cache: { namespace: 'thing', tags: (request) => [`thing:${request.params.id}`] } }
    }, async (request) => {
      const version = this.versions.read(Number(request.params.id))
      await setTimeout(HANDLER_MS)
      return String(version)
    })
    await app.ready()
    return app
  }
}

function noCounts (): Counts {
  return { requests: 0, clientErrors: 0, staleAsFresh: 0, oldCopies: 0, oldestCopyMs: 0, acknowledged: 0, unacknowledged: 0, latencies: [], uncachedLatencies: [], examples: [] }
}

export function p99 (latencies: readonly number[]): number {
  const sorted = [...latencies].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0
}
