import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { test } from 'tap'
import { sendRaw } from '../safety/helpers.ts'
import { brief, cached, everywhere, heard, scene, twoProcesses, type Scene } from './stage.ts'

/** One route for all methods, whose handler says how it went by the query. */
function declare (app: FastifyInstance): void {
  let made = 0
  app.addHttpMethod('PURGE', { hasBody: false })
  const handler = async ({ method, query }: FastifyRequest<{ Querystring: { status?: string, location?: string } }>, reply: FastifyReply): Promise<string> => {
    if (method === 'GET') return `made ${++made}`
    if (query.status === 'throw') throw new Error('failed')
    reply.code(Number(query.status ?? 200))
    if (query.location !== undefined) reply.header(method === 'PUT' ? 'content-location' : 'location', query.location)
    return method
  }
  app.all('/things/:id', cached(), handler)
  app.get('/other', cached(), handler)
  app.post('/elsewhere', handler)
}

async function stored (site: Scene, ...paths: string[]): Promise<void> {
  for (const path of paths) await site.ask(path)
}

/** Whether these are hits now. */
async function hits (site: Scene, ...paths: string[]): Promise<boolean[]> {
  const found: boolean[] = []
  for (const path of paths) found.push((await site.ask(path)).field('x-cache') === 'HIT')
  return found
}

everywhere('a successful unsafe request on the cached route itself invalidates its URL, with every query', async (t, cache) => {
  const site = await scene(t, declare, { cache })
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PURGE']) {
    for (const status of [200, 201, 204, 303]) {
      await stored(site, '/things/1', '/things/1?a=1', '/things/2', '/other')
      const written = await site.ask(`/things/1?status=${status}`, { method })
      t.strictSame([written.status, heard(written)], [status, 'BYPASS fwd=method'])
      t.strictSame(await hits(site, '/things/1', '/things/1?a=1', '/things/2', '/other'), [false, false, true, true], `${method} ${status}`)
    }
  }
})

test('one that fails, and a safe one, leave what is stored', async (t) => {
  const site = await scene(t, declare)
  await stored(site, '/things/1')
  for (const method of ['POST', 'PUT', 'DELETE', 'PURGE']) {
    for (const status of ['400', '404', '409', '500', 'throw']) {
      await site.ask(`/things/1?status=${status}`, { method })
      t.strictSame(await hits(site, '/things/1'), [true], `${method} ${status}`)
    }
  }
  for (const method of ['OPTIONS', 'HEAD', 'GET']) {
    await site.ask('/things/1', { method })
    t.strictSame(await hits(site, '/things/1'), [true], method)
  }
})

everywhere('Location and Content-Location of this host are invalidated as well, and of no other', async (t, cache) => {
  const site = await scene(t, declare, { cache })
  const others = ['/things/2', '/other', '/things/3']
  for (const [location, expected] of [
    ['/things/2', [false, true, true]],
    ['2', [false, true, true]],
    ['http://a.example/things/2', [false, true, true]],
    ['//a.example/things/2', [false, true, true]],
    ['/things/2?a=1#there', [false, true, true]],
    ['http://b.example/things/2', [true, true, true]],
    ['http://a.example:81/things/2', [true, true, true]],
    ['/other', [true, false, true]],
    ['http://[', [true, true, true]]
  ] as const) {
    for (const method of ['POST', 'PUT']) {
      await stored(site, ...others)
      await site.ask(`/things/1?location=${encodeURIComponent(location)}`, { method })
      t.strictSame(await hits(site, ...others), expected, `${method} ${location}`)
    }
  }
})

test('with `invalidateOnWrite: false` it is left to the app', async (t) => {
  const site = await scene(t, declare, { cache: { invalidateOnWrite: false } })
  await stored(site, '/things/1')
  await site.ask('/things/1', { method: 'DELETE' })
  t.strictSame(await hits(site, '/things/1'), [true])
})

test('other processes see it at once', async (t) => {
  const [one, other] = await twoProcesses(t, declare)
  await one.ask('/things/1')
  t.strictSame(await hits(other, '/things/1'), [true])
  await one.ask('/things/1', { method: 'PUT' })
  t.strictSame(await hits(other, '/things/1'), [false])
})

test('a POST that is cached itself invalidates nothing', async (t) => {
  const site = await scene(t, (app, { handler }) => { app.route({ method: ['GET', 'POST', 'PUT'], url: '/', ...cached({ varyByBody: true }), handler }) })
  site.origin.answers((run) => `made ${run}`)
  const post = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }
  await stored(site, '/')
  t.equal(brief(await site.ask('/', post)), '200 MISS made 2')
  t.equal(brief(await site.ask('/', post)), '200 HIT made 2')
  t.strictSame(await hits(site, '/'), [true])
  await site.ask('/', { method: 'PUT' })
  t.strictSame(await hits(site, '/'), [false], 'a PUT does')
})

test('so does a write with credentials, and one that never came to an end says nothing', async (t) => {
  const site = await scene(t, declare)
  await stored(site, '/things/1')
  await site.ask('/things/1', { method: 'PUT', headers: { authorization: 'Bearer ada', cookie: 'sessionid=1' } })
  t.strictSame(await hits(site, '/things/1'), [false])
  t.match(await sendRaw(site.port, 'PUT /things/1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: x\r\n\r\n'), /^HTTP\/1.1 400/)
  t.strictSame(await hits(site, '/things/1'), [true])
})

test('a write that a guard of the route has answered invalidates as well', async (t) => {
  const site = await scene(t, (app, { handler }) => {
    app.all('/', { ...cached(), preHandler: async (request, reply) => request.method === 'PUT' ? reply.send('written') : undefined }, handler)
  })
  site.origin.answers((run) => `made ${run}`)
  await stored(site, '/')
  t.equal((await site.ask('/', { method: 'PUT' })).text, 'written')
  t.strictSame(await hits(site, '/'), [false])
})

test('whom an async guard answers without giving its reply back, no handler of a write sees', async (t) => {
  let runs = 0
  const guard = async ({ method }: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (method === 'PUT') reply.redirect('/sign-in')
  }
  const site = await scene(t, (app) => {
    const handler = async (): Promise<string> => `run ${++runs}`
    app.all('/cached/:id', { ...cached(), preHandler: guard }, handler)
    for (const hook of ['onRequest', 'preValidation', 'preHandler']) {
      app.get(`/${hook}/:id`, cached(), handler)
      app.put(`/${hook}/:id`, { [hook]: guard }, handler)
    }
  })
  const paths = ['/onRequest/1', '/preValidation/1', '/preHandler/1', '/cached/1']
  await stored(site, ...paths)
  for (const path of paths) t.equal((await site.ask(path, { method: 'PUT' })).status, 302, path)
  t.equal(runs, paths.length, 'those of the GETs')
})

test('what a handler names with reply.cacheInvalidate() is invalidated by an unsafe request of the cached route', async (t) => {
  const site = await scene(t, (app, { handler }) => {
    app.all('/', cached(), async (request, reply) => {
      if (request.method === 'POST') reply.cacheInvalidate({ tags: ['named'] })
      return await handler(request, reply)
    })
    app.get('/tagged', cached({ tags: ['named'] }), handler)
  })
  site.origin.answers((run) => `made ${run}`)
  await stored(site, '/tagged')
  await site.ask('/', { method: 'POST' })
  t.strictSame(await hits(site, '/tagged'), [false])
})
