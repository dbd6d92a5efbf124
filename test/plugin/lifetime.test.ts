import type { FastifyReply } from 'fastify'
import type { CacheReply, CacheRequest, RouteCacheOptions, StoredPayload } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { repeats, serve, type Service } from './serve.ts'
import { stores } from './stores.ts'

/** A clock that goes when it is told to. */
function testClock (start = Date.parse('2026-11-21T12:00:00Z')) {
  let now = start
  return { clock: () => now, pass: (seconds: number) => { now += seconds * 1000 } }
}

/** A route `/` that answers with the number of its run. */
async function servesRuns (t: Test, cache: RouteCacheOptions, options: object = {}): Promise<Service> {
  let runs = 0
  return await serve(t, (app) => {
    app.get('/', { config: { cache: { jitter: 0, ...cache } } }, async () => `run ${++runs}`)
  }, { cache: options })
}

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`with ${place}, a hit says its age and the time it has left, until it is over`, async (t) => {
    const { clock, pass } = testClock()
    const service = await servesRuns(t, { ttl: '90s' }, { clock, ...await optionsOf(t) })
    t.equal((await service.get('/')).field('age'), undefined)
    for (const [seconds, age, ttl] of [[0, '0', 90], [1.5, '1', 89], [58.4, '59', 31], [30.0, '89', 1], [0.099, '89', 1]] as const) {
      pass(seconds)
      const hit = await service.get('/')
      t.equal(hit.text, 'run 1')
      t.equal(hit.field('age'), age)
      t.equal(hit.field('cache-status'), `fastify-response-cache; hit; ttl=${ttl}`)
    }
    pass(0.001)
    const next = await service.get('/')
    t.equal(next.field('x-cache'), 'MISS')
    t.equal(next.field('age'), undefined)
    t.equal(next.text, 'run 2')
    t.equal((await service.get('/')).field('age'), '0')
  })
}

test('hits do not lengthen the life of what they repeat', async (t) => {
  const { clock, pass } = testClock()
  const service = await servesRuns(t, { ttl: 10 }, { clock })
  for (const [seconds, text] of [[0, 'run 1'], [6, 'run 1'], [3, 'run 1'], [1, 'run 2'], [9, 'run 2'], [1, 'run 3']] as const) {
    pass(seconds)
    t.equal((await service.get('/')).text, text)
  }
})

test('a clock that goes backwards gives no negative age', async (t) => {
  const { clock, pass } = testClock()
  const service = await servesRuns(t, { ttl: 10 }, { clock })
  await service.get('/')
  pass(-5)
  const hit = await service.get('/')
  t.equal(hit.field('age'), '0')
})

test('a ttl function is asked with request and final reply when the response is stored, not for hits', async (t) => {
  const asked: string[] = []
  const service = await serve(t, (app) => {
    app.addHook('onSend', async (request, reply) => { reply.header('x-ttl', '7s') })
    app.get('/:id', {
      config: {
        cache: {
          jitter: 0,
          ttl (request: CacheRequest, reply: CacheReply) {
            asked.push(`${request.params.id ?? ''} ${String(request.query.page)} ${reply.statusCode}`)
            return String(reply.getHeader('x-ttl'))
          }
        }
      }
    }, async () => 'x')
  })
  const { hit } = await repeats(t, service, '/5?page=2')
  t.equal(hit.field('cache-status'), 'fastify-response-cache; hit; ttl=7')
  t.strictSame(asked, ['5 2 200'])
})

for (const [title, value, seconds] of [['seconds', 90, 90], ['a duration', '2m', 120], ['a built-in name', 'medium', 300], ['an own name', 'blink', 2]] as const) {
  test(`a ttl function may give ${title}`, async (t) => {
    const service = await servesRuns(t, { ttl: () => value }, { ttls: { blink: '2s' } })
    const { hit } = await repeats(t, service, '/')
    t.equal(hit.field('cache-status'), `fastify-response-cache; hit; ttl=${seconds}`)
  })
}

for (const [title, ttl] of [['0', 0], ['a function that gives 0', () => 0], ['a duration of zero', '0s']] as const) {
  test(`with the ttl ${title} nothing is stored`, async (t) => {
    const service = await servesRuns(t, { ttl })
    for (const text of ['run 1', 'run 2']) {
      const response = await service.get('/')
      t.equal(response.text, text)
      t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=ttl')
    }
  })
}

for (const [title, ttl] of [
  ['throws', () => { throw new Error('no idea') }], ['gives nonsense', () => 'soon'], ['gives nothing', () => undefined as never],
  ['gives a negative number', () => -1], ['gives NaN', () => NaN], ['gives Infinity', () => Infinity], ['gives a promise', async () => 60]
] as const) {
  test(`a ttl function that ${title} keeps the response from being stored, and it is sent all the same`, async (t) => {
    const service = await servesRuns(t, { ttl: ttl as () => number })
    for (const text of ['run 1', 'run 2']) {
      const response = await service.get('/')
      t.equal(response.status, 200)
      t.equal(response.text, text)
      t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=function-error')
    }
  })
}

test('storeIf sees the payload as it is sent and has the last word', async (t) => {
  const seen: StoredPayload[] = []
  const service = await serve(t, (app) => {
    const storeIf = (request: CacheRequest, reply: FastifyReply, payload: StoredPayload): boolean => {
      seen.push(payload)
      return request.query.store === 'yes' && reply.statusCode === 200
    }
    app.get('/text', { config: { cache: { storeIf } } }, async () => ({ a: 1 }))
    app.get('/bytes', { config: { cache: { storeIf } } }, async () => Buffer.of(1, 2))
    app.get('/stream', { config: { cache: { storeIf } } }, async () => new Blob(['streamed']).stream())
    app.get('/nothing', { config: { cache: { storeIf } } }, (request, reply) => { reply.send() })
  })
  for (const [path, payload] of [['/text', '{"a":1}'], ['/bytes', Buffer.of(1, 2)], ['/stream', Buffer.from('streamed')], ['/nothing', null]] as const) {
    await repeats(t, service, `${path}?store=yes`)
    t.strictSame(seen.splice(0), [payload])
    for (let time = 0; time < 2; time++) t.equal((await service.get(`${path}?store=no`)).field('x-cache'), 'MISS')
    t.equal(seen.splice(0).length, 2)
  }
})

test('a storeIf that throws keeps the response from being stored, and it is sent all the same', async (t) => {
  const service = await servesRuns(t, { ttl: 60, storeIf: () => { throw new Error('no idea') } })
  for (const text of ['run 1', 'run 2']) {
    const response = await service.get('/')
    t.equal(response.text, text)
    t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=function-error')
  }
})

test('a request that skip picks neither reads what is stored nor replaces it', async (t) => {
  const service = await servesRuns(t, { ttl: 60, varyByQuery: false, skip: (request) => request.headers['x-fresh'] === 'yes' })
  t.equal((await service.get('/')).text, 'run 1')
  const fresh = await service.get('/', { headers: { 'x-fresh': 'yes' } })
  t.equal(fresh.text, 'run 2')
  t.equal(fresh.field('x-cache'), 'BYPASS')
  t.equal(fresh.field('cache-status'), 'fastify-response-cache; fwd=bypass; detail=skip')
  const hit = await service.get('/')
  t.equal(hit.field('x-cache'), 'HIT')
  t.equal(hit.text, 'run 1')
})

test('a skip that throws sends requests past the cache', async (t) => {
  const service = await servesRuns(t, { ttl: 60, skip: () => { throw new Error('no idea') } })
  for (const text of ['run 1', 'run 2']) {
    const response = await service.get('/')
    t.equal(response.text, text)
    t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=bypass; detail=function-error')
  }
})

test('a skip that gives a promise is a fault, not a no: the request goes past the cache', async (t) => {
  const service = await servesRuns(t, { ttl: 60, skip: (async () => true) as unknown as () => boolean })
  for (const text of ['run 1', 'run 2']) {
    const response = await service.get('/')
    t.equal(response.text, text)
    t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=bypass; detail=function-error')
  }
})

test('a storeIf that gives a promise is a fault, not a yes: the response is not stored', async (t) => {
  const service = await servesRuns(t, { ttl: 60, storeIf: (async () => false) as unknown as () => boolean })
  for (const text of ['run 1', 'run 2']) {
    const response = await service.get('/')
    t.equal(response.text, text)
    t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=function-error')
  }
})

test('only status 200 is stored unless statusCodes says otherwise, and then only what it says', async (t) => {
  const service = await serve(t, (app) => {
    const handler = async (request: { params: unknown }, reply: FastifyReply): Promise<FastifyReply> => await reply.code(Number((request.params as { status: string }).status)).send('x')
    app.get('/default/:status', { config: { cache: true } }, handler)
    app.get('/chosen/:status', { config: { cache: { statusCodes: [201, 404] } } }, handler)
  })
  for (const [path, stored] of [['/default/200', true], ['/default/201', false], ['/default/301', false], ['/default/404', false], ['/default/500', false], ['/chosen/200', false], ['/chosen/201', true], ['/chosen/404', true], ['/chosen/500', false]] as const) {
    if (stored) await repeats(t, service, path)
    else t.equal((await service.get(path)).field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=status', path)
  }
})
