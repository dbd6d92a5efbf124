import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ResponseCacheOptions } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { stores } from '../plugin/stores.ts'
import { Clock, Origin, scene as openScene, turns, type Exchange, type Run, type Scene, type SceneOptions } from '../freshness/scene.ts'

export { cached, filled, turns, Clock, Origin, type Exchange, type Scene } from '../freshness/scene.ts'

const PATIENCE_MS = 2000

/** A scene in which a response that is stored is there, and listed and compressed where that is to be, when its request resolves. */
export async function scene (t: Test, route: Parameters<typeof openScene>[1], options?: SceneOptions): Promise<Scene> {
  const site = await openScene(t, route, options)
  const ask: Scene['ask'] = async (path, how) => {
    const { fills } = site.stats()
    const given = await site.ask(path, how)
    if (given.field('cache-status')?.endsWith('; stored') !== true) return given
    for (const deadline = Date.now() + PATIENCE_MS; site.stats().fills === fills && Date.now() < deadline;) await turns(site.app)
    return given
  }
  return { ...site, ask, many: (count, path, how) => Array.from({ length: count }, () => ask(path, how)) }
}

/** Two processes that share a Redis. */
export async function twoProcesses (t: Test, route: Parameters<typeof openScene>[1], options: SceneOptions = {}): Promise<[Scene, Scene]> {
  const shared = { clock: new Clock(), origin: new Origin(), ...options, cache: { ...await stores.Redis!(t), ...options.cache } }
  return [await scene(t, route, shared), await scene(t, route, shared)]
}

/** Options for each place where responses are kept, copies in memory among them. */
export const places: Record<string, (t: Test) => Promise<ResponseCacheOptions>> = {
  ...stores,
  'memory in front of Redis': async (t) => ({ ...await stores.Redis!(t), memory: {} })
}

type Check = (t: Test, cache: ResponseCacheOptions) => Promise<void>

/** A promise that holds wherever responses are kept. */
export function everywhere (title: string, check: Check): void {
  for (const [place, optionsOf] of Object.entries(places)) test(`${title} [${place}]`, async (t) => check(t, await optionsOf(t)))
}

/** Header fields by name. */
export type Fields = Record<string, string | string[]>

/** What a handler answers. */
export interface Answer {
  readonly status?: number
  readonly fields?: Fields
  readonly body?: unknown
}

/** When the clock of a scene stands still. */
export const NOW = Date.UTC(2030, 0, 1)

/** So many seconds after that, as HTTP writes it. */
export function date (seconds: number): string {
  return new Date(NOW + seconds * 1000).toUTCString()
}

/** Answers in these words; the body says which run it was unless there is one. */
export function answer (reply: FastifyReply, { status = 200, fields = {}, body }: Answer, run: number): unknown {
  reply.code(status)
  for (const [name, value] of Object.entries(fields)) reply.header(name, value)
  return status === 204 || status === 304 ? reply.send() : reply.send(body ?? `made ${run}`)
}

/** From now on the handler of the scene answers this. */
export function answers (site: Scene, given: Answer | ((run: number, request: FastifyRequest) => Answer)): void {
  site.origin.answers((run, request, reply) => answer(reply, typeof given === 'function' ? given(run, request) : given, run))
}

/** Lets a run of the handler answer with these fields. */
export function tell ({ reply, answer }: Run, fields: Fields, body: unknown): void {
  reply.headers(fields)
  answer(body)
}

/** What the cache said in X-Cache and, without its name, in Cache-Status. */
export function heard ({ field }: Pick<Exchange, 'field'>): string {
  return `${field('x-cache')} ${field('cache-status')?.replaceAll('fastify-response-cache; ', '')}`
}

/** One line for an answer: status, X-Cache and body. */
export function brief ({ status, text, field }: Exchange): string {
  return `${status} ${field('x-cache')} ${text}`
}

let asked = 0

/** A URL that nobody has asked for yet. */
export function freshUrl (path = '/'): string {
  return `${path}?n=${++asked}`
}

/** For how many seconds what the handler answers is fresh when it has just been stored, or why it is not stored. */
export async function lifetimeOf (site: Scene, given: Answer): Promise<number | string> {
  answers(site, given)
  const url = freshUrl()
  const miss = await site.ask(url)
  const hit = await site.ask(url)
  const [, seconds] = /hit; ttl=(\d+)$/.exec(hit.field('cache-status') ?? '') ?? []
  return seconds === undefined ? /detail=(.+)$/.exec(miss.field('cache-status') ?? '')?.[1] ?? heard(hit) : Number(seconds)
}
