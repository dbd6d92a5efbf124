import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance, RouteHandlerMethod } from 'fastify'
import type { Entry, Store } from 'fastify-response-cache'
import { test } from 'tap'
import { openConnection } from './connection.ts'
import { neverStored, repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

const config = { cache: true }

const handlers: Record<string, RouteHandlerMethod> = {
  'returns a value from an async function': async () => ({ a: 1 }),
  'returns a promise': () => Promise.resolve({ a: 1 }),
  'returns a thenable': () => ({ then: (resolve: (value: unknown) => void) => { resolve({ a: 1 }) } }) as Promise<unknown>,
  'sends at once': (request, reply) => { reply.send({ a: 1 }) },
  'sends later': (request, reply) => { setImmediate(() => reply.send({ a: 1 })) },
  'sends and returns the reply': (request, reply) => reply.send({ a: 1 }),
  'sends in an async function and returns the reply': async (request, reply) => {
    await nextTurn()
    return reply.send({ a: 1 })
  },
  'sends in an async function that returns nothing': async (request, reply) => { await reply.send({ a: 1 }) },
  'returns the reply and sends later': async (request, reply) => {
    setImmediate(() => reply.send({ a: 1 }))
    return reply
  }
}

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`with ${place}, a handler is not run for a hit when it`, async (t) => {
    const runs: number[] = []
    const entries = Object.entries(handlers)
    const service = await serve(t, (app) => {
      // The hook that trips caches which send a hit from an async hook without returning the reply.
      app.addHook('onSend', async () => { await nextTurn() })
      for (const [index, [, handler]] of entries.entries()) {
        app.get(`/${index}`, { config }, function (request, reply) {
          runs[index] = (runs[index] ?? 0) + 1
          return handler.call(this, request, reply)
        })
      }
    }, { cache: await optionsOf(t) })
    for (const [index, [title]] of entries.entries()) {
      await t.test(title, async (t) => {
        const { hit } = await repeats(t, service, `/${index}`)
        t.equal(hit.text, '{"a":1}')
        t.equal(runs[index], 1)
      })
    }
  })
}

test('a thrown error is answered as without the cache and the next request runs the handler', async (t) => {
  let runs = 0
  const service = await serve(t, (app) => {
    const fail: RouteHandlerMethod = () => {
      if (++runs % 2 === 1) throw Object.assign(new Error('not today'), { statusCode: 503 })
      return 'fine'
    }
    app.get('/sync', { config }, fail)
    app.get('/async', { config }, async function (request, reply) { return fail.call(this, request, reply) })
    app.get('/sent', { config }, (request, reply) => { reply.send(++runs % 2 === 1 ? Object.assign(new Error('not today'), { statusCode: 503 }) : 'fine') })
  })
  for (const path of ['/sync', '/async', '/sent']) {
    runs = 0
    const failed = await service.get(path)
    t.equal(failed.status, 503)
    t.match(failed.text, 'not today')
    t.equal(failed.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=status')
    await repeats(t, service, path)
    t.equal(runs, 2)
  }
})

test('what an error handler answers is judged like any other response', async (t) => {
  const service = await serve(t, (app) => {
    app.setErrorHandler((error: Error, request, reply) => reply.code(request.url === '/ok' ? 200 : 503).send({ sorry: error.message }))
    const fail = async (): Promise<never> => { throw new Error('broken') }
    app.get('/ok', { config }, fail)
    app.get('/bad', { config }, fail)
    app.get('/bad-but-wanted', { config: { cache: { statusCodes: [503] } } }, fail)
  })
  await repeats(t, service, '/ok')
  t.equal((await neverStored(t, service, '/bad')).second.text, '{"sorry":"broken"}')
  const { hit } = await repeats(t, service, '/bad-but-wanted')
  t.equal(hit.status, 503)
})

test('an error handler of the route and its onError hook work as without the cache', async (t) => {
  const seen: string[] = []
  const service = await serve(t, (app) => {
    app.get('/', {
      config,
      onError: async (request, reply, error) => { seen.push(error.message) },
      errorHandler: (error, request, reply) => { reply.code(418).send({ own: (error as Error).message }) }
    }, async () => { throw new Error('mine') })
  })
  const { second } = await neverStored(t, service, '/')
  t.equal(second.status, 418)
  t.equal(second.text, '{"own":"mine"}')
  t.strictSame(seen, ['mine', 'mine'])
})

test('what a guard answers is not looked up, not announced and not stored', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', {
      config,
      preHandler: async (request, reply) => request.headers['x-pass'] === 'yes' ? undefined : await reply.code(401).send('no')
    }, async () => 'inside')
  })
  await repeats(t, service, '/', { headers: { 'x-pass': 'yes' } })
  const { second } = await neverStored(t, service, '/')
  t.equal(second.status, 401)
  t.equal(second.field('x-cache'), undefined)
})

test('an invalid request is refused before the look-up', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config, schema: { querystring: { type: 'object', properties: { page: { type: 'integer' } } } } }, async () => 'x')
  })
  const { second } = await neverStored(t, service, '/?page=first')
  t.equal(second.status, 400)
  t.equal(second.field('x-cache'), undefined)
})

test('unknown URLs go to the not-found handler and do not know the cache', async (t) => {
  const service = await serve(t, (app) => {
    app.setNotFoundHandler((request, reply) => { reply.code(404).send({ missing: request.url }) })
    app.get('/there', { config }, async () => 'x')
  })
  const { second } = await neverStored(t, service, '/elsewhere')
  t.equal(second.text, '{"missing":"/elsewhere"}')
  t.equal(second.field('x-cache'), undefined)
})

test('what the not-found handler answers for a route is judged like any other response', async (t) => {
  let runs = 0
  const service = await serve(t, (app) => {
    app.setNotFoundHandler((request, reply) => { reply.code(404).send('nothing here') })
    const handler: RouteHandlerMethod = (request, reply) => {
      runs++
      reply.callNotFound()
    }
    app.get('/', { config }, handler)
    app.get('/wanted', { config: { cache: { statusCodes: [404] } } }, handler)
  })
  const { second } = await neverStored(t, service, '/')
  t.equal(second.status, 404)
  t.equal(second.text, 'nothing here')
  t.equal(runs, 2)
  await repeats(t, service, '/wanted')
  t.equal(runs, 3)
})

test('a handler that takes too long is answered by its timeout; neither that nor its late answer is stored', async (t) => {
  let finish: () => void = () => {}
  let runs = 0
  const late = new Promise<void>((resolve) => { finish = resolve })
  const service = await serve(t, (app) => {
    app.get('/', { config, handlerTimeout: 20 }, async () => {
      if (++runs === 1) await late
      return `run ${runs}`
    })
  })
  const timedOut = await service.get('/')
  t.equal(timedOut.status, 503)
  t.match(timedOut.text, 'FST_ERR_HANDLER_TIMEOUT')
  finish()
  await nextTurn()
  const { hit } = await repeats(t, service, '/')
  t.equal(hit.text, 'run 2')
})

test('a look-up that ends after the handler timeout neither runs the handler nor sends a second answer', async (t) => {
  const entries = new Map<string, Entry>()
  let release: (() => void) | undefined
  let isHeld = true
  const nothing = (): undefined => undefined
  const store: Store = {
    get: ({ text }) => isHeld ? new Promise((resolve) => { release = () => { resolve(entries.get(text)) } }) : entries.get(text),
    set: ({ text }, entry) => { entries.set(text, entry) },
    delete: () => false,
    expire: () => false,
    ttlMs: nothing,
    ping: nothing,
    connect: nothing,
    close: nothing
  }
  const log: string[] = []
  let runs = 0
  const service = await serve(t, (app) => {
    app.get('/', { config, handlerTimeout: 20 }, async () => ++runs)
  }, { cache: { store, timeouts: { read: '10s' } }, fastify: { logger: { level: 'warn', stream: { write: (line) => { log.push(line) } } } } })

  const timesOut = async (): Promise<void> => {
    t.equal((await service.get('/')).status, 503)
    log.length = 0
    release?.()
    await nextTurn()
  }
  await timesOut()
  t.equal(runs, 0, 'after a miss')
  isHeld = false
  t.equal((await service.get('/')).text, '1')
  isHeld = true
  await timesOut()
  t.strictSame(log, [], 'after a hit')
})

test('hits of a route with a handler timeout are sent', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config, handlerTimeout: 10_000 }, async () => 'in time')
  })
  await repeats(t, service, '/')
})

test('a client that goes away while the handler runs leaves a whole response or none', async (t) => {
  let started: () => void = () => {}
  let finish: () => void = () => {}
  const running = new Promise<void>((resolve) => { started = resolve })
  const finished = new Promise<void>((resolve) => { finish = resolve })
  const service = await serve(t, (app: FastifyInstance) => {
    app.get('/', { config }, async (request) => {
      started()
      await finished
      return `complete: ${request.url}`
    })
  })
  const closed = once(service.app.server, 'connection').then(async ([socket]) => { await once(socket, 'close') })
  const connection = await openConnection(t, service.port, '/')
  await running
  connection.socket.destroy()
  await closed
  finish()
  await nextTurn()
  const next = await service.get('/')
  t.equal(next.status, 200)
  t.equal(next.text, 'complete: /')
})
