import etag, { type FastifyEtagOptions } from '@fastify/etag'
import { repeats, type Service } from '../plugin/serve.ts'
import { cached, inBothOrders, type Setting } from './orders.ts'

const TEXT = 'text that two clients ask for'

function setting (options: FastifyEtagOptions = {}): () => Setting {
  return () => ({
    plugin: (app) => app.register(etag, options),
    routes: (app) => {
      app.get('/', cached(), async () => TEXT)
      app.get('/fresh', cached(), async () => TEXT)
      app.get('/own', cached(), async (request, reply) => reply.header('etag', '"mine"').send(TEXT))
      app.get('/stream', cached(), async (request, reply) => reply.send(new Blob([TEXT]).stream()))
    }
  })
}

async function etagOf ({ get }: Service, path = '/'): Promise<string> {
  return (await get(path)).field('etag')!
}

async function conditional ({ get }: Service, path: string, value: string): Promise<object> {
  const response = await get(path, { headers: { 'if-none-match': value } })
  return { status: response.status, etag: response.field('etag'), text: response.text }
}

for (const [title, options, pattern] of [
  ['strong', {}, /^"[^"]+"$/],
  ['weak', { weak: true }, /^W\/"[^"]+"$/],
  ['own hash', { hashFn: (text: string) => `length-${text.length}` }, new RegExp(`^"length-${TEXT.length}"$`)]
] as const) {
  inBothOrders(`@fastify/etag (${title}): misses and hits have one ETag, its own`, setting(options), async (t, service) => {
    const { miss, hit } = await repeats(t, service, '/')
    for (const response of [miss, hit]) {
      t.match(response.field('etag'), pattern)
      t.equal(response.lines.filter(([name]) => name === 'etag').length, 1)
    }
  })

  inBothOrders(`@fastify/etag (${title}): who has the response is told so, by a miss and by hits`, setting(options), async (t, service) => {
    const known = await etagOf(service)
    t.match(await conditional(service, '/fresh', known), { status: 304, text: '' }, 'nothing stored')
    for (let time = 0; time < 2; time++) t.strictSame(await conditional(service, '/', known), { status: 304, etag: known, text: '' }, 'stored')
    t.strictSame(await conditional(service, '/', '"other"'), { status: 200, etag: known, text: TEXT })
  })
}

inBothOrders('@fastify/etag: a 304 never takes the place of the response', setting(), async (t, service) => {
  const known = await etagOf(service)
  for (let time = 0; time < 2; time++) await conditional(service, '/fresh', known)
  for (let time = 0; time < 2; time++) {
    const response = await service.get('/fresh')
    t.strictSame([response.status, response.text, response.field('etag')], [200, TEXT, known])
  }
  t.equal((await service.get('/fresh')).field('x-cache'), 'HIT')
})

inBothOrders("@fastify/etag: a handler's own ETag stays the only one", setting(), async (t, service) => {
  const { hit } = await repeats(t, service, '/own')
  t.equal(hit.field('etag'), '"mine"')
  t.strictSame(await conditional(service, '/own', '"mine"'), { status: 304, etag: '"mine"', text: '' })
})

inBothOrders('@fastify/etag: a stream that it leaves alone is stored', setting(), async (t, service) => {
  await service.get('/stream')
  const hit = await service.get('/stream')
  t.strictSame([hit.field('x-cache'), hit.text, hit.isComplete], ['HIT', TEXT, true])
  t.equal(hit.lines.filter(([name]) => name === 'etag').length <= 1, true)
})

inBothOrders('@fastify/etag: with replyWith304 off it only adds the field', setting({ replyWith304: false }), async (t, service) => {
  const { hit } = await repeats(t, service, '/')
  t.match(hit.field('etag'), /^"[^"]+"$/)
})
