import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import responseCache, { type Entry, type Store } from 'fastify-response-cache'
import { test, type Test } from 'tap'

/** What error handlers answer, by name, with what the client has to get. */
const ANSWERS: Record<string, { send: (reply: FastifyReply) => unknown, status: number, body: string }> = {
  json: { send: (reply) => reply.code(500).type('application/problem+json').send('{"title":"Internal error"}'), status: 500, body: '{"title":"Internal error"}' },
  page: { send: (reply) => reply.code(500).type('text/html').send('<h1>error</h1>'), status: 500, body: '<h1>error</h1>' },
  redirect: { send: (reply) => reply.redirect('/error'), status: 302, body: '' },
  stream: { send: (reply) => reply.code(500).type('text/plain').send(Readable.from(['a ', 'stream'])), status: 500, body: 'a stream' },
  'with the status of the hit': { send: (reply) => reply.code(200).send('instead'), status: 200, body: 'instead' },
  nothing: { send: (reply) => reply.code(200).send(), status: 200, body: '' }
}

async function appThatFails (t: Test, answer: (reply: FastifyReply) => unknown): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache)
  // Node refuses a field with a letter outside Latin-1 when the response is sent.
  app.addHook('preHandler', async (request, reply) => { if (request.headers['x-name'] !== undefined) reply.header('x-greeting', decodeURIComponent(String(request.headers['x-name']))) })
  app.setErrorHandler((_error, request, reply) => {
    reply.removeHeader('x-greeting')
    return answer(reply)
  })
  app.get('/', { config: { cache: '5m' } }, async () => ({ a: 1 }))
  return app
}

for (const [title, { send, status, body }] of Object.entries(ANSWERS)) {
  for (const isTransformed of [false, true]) {
    test(`when a hit cannot be sent, what the error handler sends is its own: ${title}, ${isTransformed ? 'with' : 'without'} an onSend hook`, async (t) => {
      const app = await appThatFails(t, send)
      if (isTransformed) app.addHook('onSend', async () => {})
      await app.inject('/')
      const answer = await app.inject({ url: '/', headers: { 'x-name': '%C5%81ukasz' } })
      t.strictSame([answer.statusCode, answer.body, answer.headers['x-cache'], answer.headers.age], [status, body, undefined, undefined])
      t.match(await app.inject('/'), { statusCode: 200, body: '{"a":1}', headers: { 'x-cache': 'HIT' } })
    })
  }
}

const BAD: Record<string, (entry: Entry) => unknown> = {
  null: () => null,
  'a text': () => 'entry',
  'bytes that are no Buffer': (entry) => ({ ...entry, body: new Uint8Array(entry.body) }),
  'a body from JSON': (entry) => JSON.parse(JSON.stringify(entry)) as unknown,
  'no labels': (entry) => ({ ...entry, labels: undefined }),
  'no vary': (entry) => ({ ...entry, vary: undefined }),
  'a status that cannot be sent': (entry) => ({ ...entry, status: 9999 })
}

test('a store of the app that gives back what is no entry costs a miss, not the route', async (t) => {
  for (const [title, spoil] of Object.entries(BAD)) {
    for (const isLater of [false, true]) {
      const entries = new Map<string, Entry>()
      const get = (id: string): unknown => entries.has(id) ? spoil(entries.get(id)!) : undefined
      const store = {
        get: ({ id }: { id: string }) => isLater ? Promise.resolve(get(id)) : get(id),
        set: ({ id }: { id: string }, entry: Entry) => { entries.set(id, entry) },
        delete: () => false,
        expire: () => false,
        ttlMs: () => undefined,
        ping () {},
        connect () {},
        close () {}
      } as unknown as Store
      const app = Fastify()
      await app.register(responseCache, { store })
      app.get('/', { config: { cache: '5m' } }, async () => ({ a: 1 }))
      for (let round = 0; round < 2; round++) {
        const answer = await app.inject('/')
        t.strictSame([answer.statusCode, answer.body, answer.headers['x-cache']], [200, '{"a":1}', 'MISS'], `${title}, round ${round}`)
      }
      await app.close()
    }
  }
})
