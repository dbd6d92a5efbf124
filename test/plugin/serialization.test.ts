import { test } from 'tap'
import { repeats, serve } from './serve.ts'
import { stores } from './stores.ts'

const config = { cache: true }
const responseSchema = {
  response: { 200: { type: 'object', properties: { id: { type: 'integer' }, name: { type: 'string' } } } }
}

for (const [place, optionsOf] of Object.entries(stores)) {
  test(`a hit from ${place} repeats what a response schema left of an object`, async (t) => {
    const service = await serve(t, (app) => {
      const person = { id: '7', name: 'Ada', password: 'secret' }
      app.get('/with', { config, schema: responseSchema }, async () => person)
      app.get('/without', { config }, async () => person)
    }, { cache: await optionsOf(t) })
    const { hit } = await repeats(t, service, '/with')
    t.equal(hit.text, '{"id":7,"name":"Ada"}')
    t.equal((await repeats(t, service, '/without')).hit.text, '{"id":"7","name":"Ada","password":"secret"}')
  })
}

test('a hit repeats the type and the bytes of a schema per content type', async (t) => {
  const content = (name: string): object => ({ schema: { type: 'object', properties: { [name]: { type: 'string' } } } })
  const service = await serve(t, (app) => {
    app.get('/:type', {
      config,
      schema: { response: { 200: { content: { 'application/json': content('a'), 'application/vnd.v1+json': content('b') } } } }
    }, async (request, reply) => reply.type(`application/${(request.params as { type: string }).type}`).send({ a: '1', b: '2' }))
  })
  t.equal((await repeats(t, service, '/json')).hit.text, '{"a":"1"}')
  const { hit } = await repeats(t, service, '/vnd.v1+json')
  t.equal(hit.text, '{"b":"2"}')
  t.equal(hit.field('content-type'), 'application/vnd.v1+json; charset=utf-8')
})

test('an object that its schema cannot serialize is an error that is not stored', async (t) => {
  let runs = 0
  const service = await serve(t, (app) => {
    app.get('/', {
      config, schema: { response: { 200: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } } } }
    }, async () => ++runs === 1 ? {} : { id: runs })
  })
  const failed = await service.get('/')
  t.equal(failed.status, 500)
  t.equal(failed.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=status')
  t.equal((await repeats(t, service, '/')).hit.text, '{"id":2}')
})

test('custom serializers are asked once: for the response that is stored', async (t) => {
  const asked: string[] = []
  const serializer = (name: string) => (payload: unknown) => {
    asked.push(name)
    return `${name}:${JSON.stringify(payload)}`
  }
  const service = await serve(t, async (app) => {
    app.get('/reply', { config }, async (request, reply) => reply.type('application/x-own').serializer(serializer('reply')).send({ a: 1 }))
    app.get('/route', { config, schema: responseSchema, serializerCompiler: () => serializer('route') }, async () => ({ a: 1 }))
    await app.register(async (child) => {
      child.setSerializerCompiler(() => serializer('compiler'))
      child.get('/compiler', { config, schema: responseSchema }, async () => ({ a: 1 }))
    })
    await app.register(async (child) => {
      child.setReplySerializer(serializer('context'))
      child.get('/context', { config }, async () => ({ a: 1 }))
    })
  })
  for (const name of ['reply', 'route', 'compiler', 'context']) {
    asked.length = 0
    const { hit } = await repeats(t, service, `/${name}`)
    t.equal(hit.text, `${name}:{"a":1}`)
    t.strictSame(asked, [name])
  }
})

test('a hit repeats the bytes of a serializer that makes a Buffer', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async (request, reply) => {
      const serializer = (): unknown => Buffer.of(8, 150, 1)
      return reply.type('application/x-protobuf').serializer(serializer as () => string).send({ a: 150 })
    })
  })
  const { hit } = await repeats(t, service, '/')
  t.strictSame([...hit.body], [8, 150, 1])
  t.equal(hit.field('content-type'), 'application/x-protobuf')
})

test('preSerialization hooks run for the response that is stored and not for hits', async (t) => {
  const ran: string[] = []
  const service = await serve(t, (app) => {
    app.addHook('preSerialization', async (request, reply, payload) => {
      ran.push('app')
      return { data: payload }
    })
    app.get('/', {
      config,
      preSerialization: (request, reply, payload, done) => {
        ran.push('route')
        done(null, { wrapped: payload })
      }
    }, async () => ({ a: 1 }))
  })
  const { hit } = await repeats(t, service, '/')
  t.equal(hit.text, '{"wrapped":{"data":{"a":1}}}')
  t.strictSame(ran, ['app', 'route'])
})

test('a preSerialization hook registered after the cache has its part in what is stored', async (t) => {
  const service = await serve(t, (app) => {
    app.get('/', { config }, async () => ({ a: 1 }))
    app.addHook('preSerialization', async (request, reply, payload) => ({ later: payload }))
  })
  t.equal((await repeats(t, service, '/')).hit.text, '{"later":{"a":1}}')
})
