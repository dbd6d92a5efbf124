import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import { test } from 'tap'
import { repeats } from '../plugin/serve.ts'
import { cached, counter, inBothOrders, serveIn } from './orders.ts'

const querystring = {
  type: 'object',
  properties: { page: { type: 'integer', minimum: 1, default: 1 }, sort: { type: 'string', enum: ['name', 'age'] } },
  additionalProperties: false
}
const response = { 200: { type: 'object', properties: { made: { type: 'integer' } } } }

/** The same routes, cached or not. */
function declare (app: FastifyInstance, { isCached }: { isCached: boolean }): void {
  const cache = isCached ? cached().config : {}
  const write = isCached ? { cache: { invalidates: { tags: ['user'] } } } : {}
  app.get('/users', { config: { ...cache }, schema: { summary: 'Users', tags: ['user'], querystring, response } }, counter())
  app.get('/users/:id', { config: { ...cache }, schema: { params: { type: 'object', properties: { id: { type: 'string' } } } } }, counter())
  app.put('/users/:id', { config: { ...write }, schema: { body: { type: 'object' } } }, counter())
  app.get('/hidden', { config: { ...cache }, schema: { hide: true } }, counter())
  app.route({ method: ['GET', 'HEAD'], url: '/both', config: { ...cache }, handler: counter() })
}

const DOCUMENT = { openapi: { info: { title: 'Users', version: '1' } } }

inBothOrders('@fastify/swagger: the document is that of the same app without a cache', () => ({
  plugin: (app) => app.register(swagger, DOCUMENT),
  routes: (app) => declare(app, { isCached: true })
}), async (t, { app, get }) => {
  const plain = Fastify()
  await plain.register(swagger, DOCUMENT)
  declare(plain, { isCached: false })
  await plain.ready()
  const document = app.swagger() as { paths?: Record<string, object> }
  t.strictSame(document, plain.swagger())
  t.strictSame(Object.keys(document.paths ?? {}).sort(), ['/both', '/users', '/users/{id}'])
  await plain.close()
  t.equal((await get('/hidden')).field('x-cache'), 'MISS', 'what it hides is cached all the same')
  t.equal((await get('/hidden')).field('x-cache'), 'HIT')
})

inBothOrders('@fastify/swagger: queries are validated for hits as for misses, and selected by what validation made of them', () => ({
  plugin: (app) => app.register(swagger, DOCUMENT),
  routes: (app) => declare(app, { isCached: true })
}), async (t, service) => {
  const { miss } = await repeats(t, service, '/users')
  for (const path of ['/users?page=1', '/users?page=01', '/users?unknown=1']) {
    const same = await service.get(path)
    t.strictSame([same.field('x-cache'), same.text], ['HIT', miss.text], path)
  }
  for (const path of ['/users?page=2', '/users?sort=age']) t.equal((await service.get(path)).field('x-cache'), 'MISS', path)
  for (const path of ['/users?page=0', '/users?sort=height']) {
    const refused = await service.get(path)
    t.strictSame([refused.status, refused.field('x-cache')], [400, undefined], path)
  }
})

test('@fastify/swagger: transforms see the config of the route with its cache options', async (t) => {
  const seen: unknown[] = []
  const { app } = await serveIn(t, 'before', {
    plugin: (app) => app.register(swagger, {
      ...DOCUMENT,
      transform: ({ schema, url, route }) => {
        seen.push([url, route.config?.cache])
        return { schema, url }
      }
    }),
    routes: (app) => { app.get('/users', { ...cached({ ttl: '5m' }), schema: { summary: 'Users' }, exposeHeadRoute: false }, counter()) }
  })
  app.swagger()
  t.strictSame(seen, [['/users', { ttl: '5m' }]])
})
