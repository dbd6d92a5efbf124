import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ResponseCacheOptions, RouteCacheOptions } from 'fastify-response-cache'
import type { Test } from 'tap'
import { stores } from '../plugin/stores.ts'
import { open, type Exchange, type Site, type SiteOptions } from '../safety/helpers.ts'

export { cached, inEveryStore, open, type Exchange, type Site } from '../safety/helpers.ts'

/** One run of a handler, which goes on when the test says so. */
export interface Run {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  answer (payload: unknown): void
  fail (fault: Error): void
}

/** A handler whose runs are in the hands of the test. */
export class Origin {
  readonly runs: Run[] = []
  #now: ((run: number, request: FastifyRequest, reply: FastifyReply) => unknown) | undefined

  readonly handler = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    return await new Promise((resolve, reject) => {
      const run = { request, reply, answer: resolve, fail: reject }
      const count = this.runs.push(run)
      if (this.#now !== undefined) {
        const answerNow = this.#now
        void (async () => answerNow(count, request, reply))().then(resolve, reject)
      }
    })
  }

  /** From now on runs answer at once, with what this gives for the number of the run. `undefined`: they wait again. */
  answers (give: ((run: number, request: FastifyRequest, reply: FastifyReply) => unknown) | undefined): void {
    this.#now = give
  }

  /** Resolves to the run of this number, from 1, when it has begun. */
  async run (number: number): Promise<Run> {
    await until(() => this.runs.length >= number, `run ${number} of the handler`)
    return this.runs[number - 1]!
  }
}

export interface Scene extends Site {
  readonly origin: Origin
  /** Moves the clock of the cache. */
  pass (ms: number): void
  /** Resolves when so many requests in all have come to the cache, and those that may have been served or wait. */
  arrived (count: number): Promise<void>
  /** So many requests at once. */
  many (count: number, path: string, options?: Parameters<Site['ask']>[1]): Array<Promise<Exchange>>
  stats (): ReturnType<Site['app']['cache']['stats']>
}

type Declare = (app: FastifyInstance, origin: Origin) => unknown

export interface SceneOptions extends SiteOptions {
  /** Of the other process that shares the clock. */
  readonly clock?: Clock
  readonly origin?: Origin
}

/** A clock that stands until it is moved. */
export class Clock {
  now = Date.UTC(2030, 0, 1)
}

/** An app with a handler and a clock that the test moves. `route`: the options of `GET /`, or what else is declared. */
export async function scene (t: Test, route: RouteCacheOptions | Declare, { cache, clock = new Clock(), origin = new Origin(), fastify }: SceneOptions = {}): Promise<Scene> {
  let arrivals = 0
  const site = await open(t, async (app) => {
    app.addHook('preHandler', async () => { arrivals++ })
    if (typeof route === 'function') await route(app, origin)
    else app.get('/', { config: { cache: { ttl: '1m', ...route } } }, origin.handler)
  }, { cache: { clock: () => clock.now, ...cache }, ...fastify === undefined ? {} : { fastify } })
  return {
    ...site,
    origin,
    pass (ms) { clock.now += ms },
    async arrived (count) {
      await until(() => arrivals >= count, `${count} requests to arrive, of which ${arrivals} have`)
      await turns(site.app)
    },
    many: (count, path, options) => Array.from({ length: count }, () => site.ask(path, options)),
    stats: () => site.app.cache.stats()
  }
}

/** What was under way in the process and in the store has been done. */
export async function turns (app: FastifyInstance): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await app.cache.ping()
    await new Promise((resolve) => { setImmediate(resolve) })
  }
}

/** Two processes that share a Redis: two apps know of each other what two processes would. */
export async function twoProcesses (t: Test, route: RouteCacheOptions | Declare, options: SceneOptions = {}): Promise<[Scene, Scene]> {
  const cache: ResponseCacheOptions = { ...await stores.Redis!(t), ...options.cache }
  const shared = { clock: new Clock(), origin: new Origin(), ...options, cache }
  return [await scene(t, route, shared), await scene(t, route, shared)]
}

/** Waits for a condition. */
export async function until (condition: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; !condition();) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => { setTimeout(resolve, 2) })
  }
}

/** The words of the two fields that say what the cache did, and the body. */
export function said ({ status, text, field }: Exchange): { status: number, text: string, cache: string | undefined, why: string | undefined } {
  return { status, text, cache: field('x-cache'), why: field('cache-status')?.replace('fastify-response-cache; ', '') }
}

/** `made 1` is stored and so old; from now on runs answer when the test says so. */
export async function outlived (site: Scene, ms: number): Promise<void> {
  site.origin.answers((run) => `made ${run}`)
  await site.ask('/')
  site.pass(ms)
  site.origin.answers(undefined)
}

/** The client of this run goes away, and its server has heard of it. */
export async function leave ({ socket }: { socket: Socket }, { reply }: Pick<Run, 'reply'>): Promise<void> {
  const gone = new Promise((resolve) => { reply.raw.once('close', resolve) })
  socket.destroy()
  await gone
}

/** So many responses in all have been stored by these processes, and are there for others. */
export async function filled (count: number, ...sites: Scene[]): Promise<void> {
  await until(() => sum(sites, 'fills') >= count, `${count} stored responses`)
  for (const site of sites) if (site.app.server.listening) await turns(site.app)
}

/** So many refreshes in all of these processes have brought nothing. */
export async function refreshFailed (count: number, ...sites: Scene[]): Promise<void> {
  await until(() => sum(sites, 'refreshErrors') >= count, `${count} failed refreshes`)
  for (const site of sites) await turns(site.app)
}

function sum (sites: readonly Scene[], counter: 'fills' | 'refreshErrors'): number {
  return sites.reduce((all, site) => all + site.stats()[counter], 0)
}

/** The counters that are not zero. */
export function counted (site: Scene): Record<string, number> {
  const stats = site.stats()
  const names = ['hits', 'stale', 'misses', 'bypasses', 'collapsed', 'fills', 'refreshes', 'refreshErrors', 'refused'] as const
  return Object.fromEntries(names.map((name) => [name, stats[name]] as const).filter(([, count]) => count !== 0))
}
