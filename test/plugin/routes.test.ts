import { test } from 'tap'
import { repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

const config = { cache: true }

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`with ${place}, the methods of one route never share a response`, async (t) => {
    let runs = 0
    const service = await serve(t, (app) => {
      app.route({
        method: ['GET', 'POST', 'PUT', 'DELETE'],
        url: '/',
        config: { cache: { varyByBody: true } },
        handler: async (request) => `${request.method} ${++runs} ${JSON.stringify(request.body)}`
      })
    }, { cache: await optionsOf(t) })
    const json = { 'content-type': 'application/json' }
    t.equal((await repeats(t, service, '/')).hit.text, 'GET 1 undefined')
    t.equal((await repeats(t, service, '/', { method: 'POST', headers: json, body: '{"a":1}' })).hit.text, 'POST 2 {"a":1}')
    t.equal((await repeats(t, service, '/', { method: 'POST', headers: json, body: '{"a":2}' })).hit.text, 'POST 3 {"a":2}')
    for (const method of ['PUT', 'DELETE']) {
      for (let time = 0; time < 2; time++) {
        const { field, text } = await service.get('/', { method, headers: json, body: '{"a":1}' })
        t.equal(text, `${method} ${runs} {"a":1}`)
        t.equal(field('cache-status'), 'fastify-response-cache; fwd=method')
      }
    }
  })
}

test('GET and POST of one route never share a response, also where both have the same key', async (t) => {
  const service = await serve(t, (app) => {
    app.route({ method: ['GET', 'POST'], url: '/', config: { cache: { key: () => 'same' } }, handler: async (request) => request.method })
  })
  for (const method of ['GET', 'POST']) t.equal((await repeats(t, service, '/', { method })).hit.text, method)
})

test('a POST without varyByBody on a route that also has GET is never stored', async (t) => {
  let runs = 0
  const service = await serve(t, (app) => {
    app.route({ method: ['GET', 'POST'], url: '/', config, handler: async () => `run ${++runs}` })
  })
  await repeats(t, service, '/')
  for (const text of ['run 2', 'run 3']) {
    const response = await service.get('/', { method: 'POST' })
    t.equal(response.text, text)
    t.equal(response.field('x-cache'), 'BYPASS')
  }
  t.equal((await repeats(t, service, '/')).hit.text, 'run 4', 'which a POST may have changed is made anew')
})

test('parameters and wildcards of a route select the response', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/users/:id', { config }, async (request) => request.params)
    app.get('/users/:id/posts/:post', { config }, async (request) => request.params)
    app.get('/files/*', { config }, async (request) => request.params)
  })
  for (const [path, body] of [
    ['/users/1', { id: '1' }], ['/users/2', { id: '2' }], ['/users/1%2F2', { id: '1/2' }], ['/users/a/posts/b', { id: 'a', post: 'b' }],
    ['/users/b/posts/a', { id: 'b', post: 'a' }], ['/files/a/b', { '*': 'a/b' }], ['/files/a%2Fb', { '*': 'a/b' }], ['/files/', { '*': '' }]
  ] as const) {
    t.strictSame(JSON.parse((await repeats(t, service, path)).hit.text), body)
  }
})

test('both forms of a prefixed route are cached, each for itself', async (t) => {
  for (const [prefixTrailingSlash, there, missing] of [['both', ['/p', '/p/'], []], ['slash', ['/p/'], ['/p']], ['no-slash', ['/p'], ['/p/']]] as const) {
    const service = await serve(t, async (app) => {
      await app.register(async (child) => {
        child.get('/', { config, prefixTrailingSlash }, async (request) => `this is ${request.url}`)
      }, { prefix: '/p' })
    })
    for (const path of there) {
      t.equal((await repeats(t, service, path)).hit.text, `this is ${path}`)
      t.equal((await service.get(path, { method: 'HEAD' })).status, 200)
    }
    for (const path of missing) t.equal((await service.get(path)).status, 404)
  }
})

test('prefixes of nested plugins are part of what selects a response', async (t) => {
  const service = await serve(t, async (app) => {
    for (const version of ['v1', 'v2']) {
      await app.register(async (child) => {
        child.get('/item', { config }, async () => version)
        await child.register(async (grandchild) => { grandchild.get('/item', { config }, async () => `${version} inside`) }, { prefix: '/inner' })
      }, { prefix: `/${version}` })
    }
  })
  for (const version of ['v1', 'v2']) {
    t.equal((await repeats(t, service, `/${version}/item`)).hit.text, version)
    t.equal((await repeats(t, service, `/${version}/inner/item`)).hit.text, `${version} inside`)
  }
})

test('hooks of an encapsulated plugin guard its hits, and those of a sibling do not', async (t) => {
  const service = await serve(t, async (app) => {
    await app.register(async (child) => {
      child.get('/guarded', { config: { cache: { varyByHeaders: ['x-pass'] } } }, async () => 'inside')
      // Added after the route and still in front of the look-up.
      child.addHook('preHandler', async (request, reply) => request.headers['x-pass'] === 'yes' ? undefined : await reply.code(401).send('no'))
    })
    await app.register(async (child) => { child.get('/open', { config }, async () => 'outside') })
  })
  await repeats(t, service, '/guarded', { headers: { 'x-pass': 'yes' } })
  t.equal((await service.get('/guarded')).status, 401)
  await repeats(t, service, '/open')
})

test('routes of one host constraint never share a response with those of another', async (t) => {
  const service = await serve(t, (app) => {
    for (const host of ['a.example', 'b.example', /^c\d\.example$/]) {
      app.get('/', { config, constraints: { host } }, async (request) => `${String(host)} for ${request.host}`)
    }
    app.get('/', { config }, async () => 'no constraint')
  })
  for (const [host, text] of [
    ['a.example', 'a.example for a.example'], ['b.example', 'b.example for b.example'], ['c1.example', '/^c\\d\\.example$/ for c1.example'],
    ['c2.example', '/^c\\d\\.example$/ for c2.example'], ['other.example', 'no constraint']
  ] as const) {
    t.equal((await repeats(t, service, '/', { headers: { host } })).hit.text, text)
  }
})

test('routes of one version never share a response with those of another', async (t) => {
  const service = await serve(t, (app) => {
    for (const version of ['1.0.0', '1.2.0', '2.0.0']) app.get('/', { config, constraints: { version } }, async () => version)
    app.get('/', { config }, async () => 'no version')
  })
  for (const [asked, text] of [['1.0.0', '1.0.0'], ['1.x', '1.2.0'], ['2.0.0', '2.0.0']] as const) {
    t.equal((await repeats(t, service, '/', { headers: { 'accept-version': asked } })).miss.text, text, asked)
    t.equal((await service.get('/', { headers: { 'accept-version': asked } })).text, text, asked)
    t.equal((await service.get('/')).text, 'no version')
    t.equal((await service.get('/', { headers: { 'accept-version': '9.x' } })).status, 404)
  }
})
