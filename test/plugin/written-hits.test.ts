import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'
import { test } from 'tap'

/** What hooks and logs are told of a hit that no other onSend hook looks at. */
test('onResponse hooks and the log see a hit like any other answer, 304 among them', async (t) => {
  const lines: Array<Record<string, unknown>> = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line) as Record<string, unknown>) } } } })
  t.teardown(() => app.close())
  await app.register(responseCache)
  const seen: unknown[] = []
  app.addHook('onResponse', async (_request, reply) => { seen.push([reply.statusCode, reply.getHeader('x-cache'), reply.sent, reply.elapsedTime > 0]) })
  app.get('/', { config: { cache: 60 } }, async (_request, reply) => reply.header('etag', '"1"').send({ some: 'text' }))
  await app.inject('/')
  const hit = await app.inject('/')
  t.strictSame([hit.json(), hit.headers['content-length'], hit.headers['x-cache']], [{ some: 'text' }, '15', 'HIT'])
  const current = await app.inject({ url: '/', headers: { 'if-none-match': '"1"' } })
  t.strictSame([current.statusCode, current.body, current.headers['content-length'], current.headers['content-type']], [304, '', undefined, undefined])
  t.strictSame(seen, [[200, 'MISS', true, true], [200, 'HIT', true, true], [304, 'HIT', true, true]])
  t.equal(lines.filter(({ msg }) => msg === 'request completed').length, 3)
})

test('a field that cannot be sent is an error of its own, and the connection goes on', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(responseCache)
  let isBroken = false
  app.addHook('onRequest', async (_request, reply) => { if (isBroken) reply.header('x-broken', 'line\nbreak') })
  app.get('/', { config: { cache: 60 } }, async () => 'text')
  const origin = await app.listen({ port: 0 })
  const ask = async (): Promise<[number, string | null]> => {
    const answer = await fetch(origin)
    await answer.text()
    return [answer.status, answer.headers.get('x-cache')]
  }
  t.strictSame(await ask(), [200, 'MISS'])
  t.strictSame(await ask(), [200, 'HIT'])
  isBroken = true
  const failed = await ask().catch(() => 'no answer')
  t.not(String(failed), '200,HIT')
  isBroken = false
  t.strictSame(await ask(), [200, 'HIT'])
})
