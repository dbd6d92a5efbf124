import Fastify, { type FastifyInstance } from 'fastify'
import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import responseCache, { type ResponseCacheOptions } from '../../lib/index.ts'

export interface Line {
  readonly level: 'info' | 'warn' | 'error'
  readonly state: unknown
  readonly message: string
  /** What the line gives as its reason. */
  readonly reason: string
}

/** One process of an app whose cache is in a Redis. */
export interface App {
  readonly app: FastifyInstance
  readonly lines: Line[]
  /** How often the handlers ran, all together. */
  runs (): number
}

export interface Answer {
  readonly status: number
  readonly cache: unknown
  readonly detail: string
  readonly body: string
}

/** What is changed in the "database" of a handler is seen by the next run of it. */
export interface Source {
  version: number
  /** How many requests for `/slow` are on their way: its handler waits for so many to be there. Default 1. */
  slowAsked?: number
  /** How many have come. */
  slowCame?: number
}

/** Deadlines that a busy machine does not reach: these tests are about what Redis answers, not when. */
export const PATIENT = { read: '5s', write: '5s' }

/** Routes of each kind. `source` is what they read; apps may share one. */
export async function buildApp (t: Test, options: ResponseCacheOptions, source: Source = { version: 1 }): Promise<App> {
  const lines: Line[] = []
  let runs = 0
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, {
    name: 'test', timeouts: PATIENT, advice: false, logger: recorder(lines), user: (request) => request.headers['x-user'] as string | undefined, ...options
  })
  const handled = async (): Promise<string> => {
    runs++
    return `version ${source.version}`
  }
  app.get('/plain/:id', { config: { cache: { namespace: 'plain', ttl: '5m', tags: (request) => [`id:${(request.params as { id: string }).id}`] } } }, handled)
  app.get('/mine', { config: { cache: { namespace: 'mine', ttl: '5m', varyByUser: true } } }, handled)
  app.get('/stale', { config: { cache: { namespace: 'stale', ttl: '5m', staleWhileRevalidate: '5m', staleIfError: '5m', tags: ['stale'] } } }, handled)
  app.get('/language', { config: { cache: { namespace: 'language', ttl: '5m' } } }, async (request, reply) => {
    reply.header('vary', 'Accept-Language')
    return `${await handled()} in ${request.headers['accept-language']}`
  })
  const onRequest = async (): Promise<void> => { source.slowCame = (source.slowCame ?? 0) + 1 }
  app.get('/slow', { onRequest, config: { cache: { namespace: 'slow', ttl: '5m', lock: { waitMs: 5000 } } } }, async () => {
    await until('all who ask are there', () => (source.slowCame ?? 0) >= (source.slowAsked ?? 1))
    return await handled()
  })
  app.put('/plain/:id', { config: { cache: { invalidates: (request) => ({ tags: [`id:${(request.params as { id: string }).id}`] }) } } }, async () => {
    source.version++
    return 'changed'
  })
  return { app, lines, runs: () => runs }
}

export async function ask ({ app }: Pick<App, 'app'>, url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { statusCode, headers: fields, body } = await app.inject({ url, headers })
  return { status: statusCode, cache: fields['x-cache'], detail: String(fields['cache-status']), body }
}

export function recorder (lines: Line[]) {
  const log = (level: Line['level']) => (details: unknown, message?: string): void => {
    const { err, cache } = details as { err?: unknown, cache?: { state?: unknown } }
    lines.push({ level, state: cache?.state, message: String(message), reason: err instanceof Error ? err.message : '' })
  }
  return { info: log('info'), warn: log('warn'), error: log('error') }
}

/** Asks until it is so; says what it waited for when that does not happen. */
export async function until (what: string, isSo: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  for (const end = performance.now() + ms; !await isSo();) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await setTimeout(5)
  }
}
