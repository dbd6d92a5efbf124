import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import Fastify from 'fastify'
import t from 'tap'
import responseCache, { type ResponseCacheOptions } from '../../lib/index.ts'
import { until } from '../helpers/until.ts'

t.test('what a server repeats of the password is told to nobody', async (t) => {
  // As proxies and old servers answer to a command that they do not know.
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => { socket.write("-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'sesame' \r\n") })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const lines: string[] = []
  const stream = new Writable({ write (chunk, _encoding, done) { lines.push(String(chunk)); done() } })
  const app = Fastify({ logger: { level: 'debug', stream } })
  t.teardown(() => app.close())
  const options: ResponseCacheOptions = { redis: `redis://:sesame@127.0.0.1:${(server.address() as AddressInfo).port}`, memory: {}, timeouts: { invalidate: '200ms' } }
  await app.register(responseCache, options)
  app.get('/', { config: { cache: '1m' } }, async () => 'handled')
  app.cache.invalidateOn('changed', () => ({ tags: ['a'] }))
  const faults: string[] = []
  await until(async () => {
    await app.inject('/')
    await app.cache.invalidateTags('a').catch((fault: Error) => { faults.push(JSON.stringify([fault.message, fault.stack, String(fault.cause)])) })
    return lines.some((line) => line.includes('unknown command')) && faults.length > 1
  })
  faults.push(JSON.stringify(await app.cache.health()))
  t.strictSame([...lines, ...faults].filter((line) => line.includes('sesame')), [])
})
