import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import responseCache, { type ResponseCacheOptions } from '../../lib/index.ts'

/** An app with routes whose numbers are known. */
export async function openApp (t: Test, options: ResponseCacheOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache, options)
  app.get('/things/:id', { config: { cache: { namespace: 'thing', ttl: '1m', obeyRequestDirectives: true } } }, async () => ({ text: 'a thing' }))
  app.get('/welcome', { config: { cache: { namespace: 'page', ttl: '1m' } } }, async (_request, reply) => {
    reply.header('set-cookie', 'a=b')
    return 'welcome'
  })
  await app.ready()
  return app
}

/** What `makeLoad` does to a new app. */
export const KNOWN = { misses: 3, hits: 12, bypasses: 2, refused: 1, notStored: 4, invalidations: 2, cached: 12, uncached: 7, servedBytes: 12 * '{"text":"a thing"}'.length } as const

/** 5 requests of each of 3 things, 4 that are not stored, 2 with credentials, 1 that wants a hit or nothing; and 2 invalidations. */
export async function makeLoad (app: FastifyInstance): Promise<void> {
  for (let time = 0; time < 5; time++) for (const id of [1, 2, 3]) await app.inject(`/things/${id}`)
  for (let time = 0; time < 4; time++) await app.inject('/welcome')
  for (let time = 0; time < 2; time++) await app.inject({ url: '/things/1', headers: { authorization: 'Bearer somebody' } })
  await app.inject({ url: '/things/4', headers: { 'cache-control': 'only-if-cached' } })
  await app.cache.invalidateTags(['others', 'more'])
  await app.cache.invalidate({ tags: ['others'], keys: ['nothing:1'] })
}
