import t from 'tap'
import type { RedisOption } from '../../lib/store/redis-client.ts'
import { foreignAuthority, startTlsRedis, tlsProblem, type TlsRedis } from '../helpers/redis-tls.ts'
import { ask, buildApp, PATIENT, until } from './app.ts'
import { useEverything } from './scenario.ts'

const skip = tlsProblem() ?? false

t.test('with an authority of its own and a client certificate everything works, on all connections', { skip }, async (t) => {
  const { url, ca, cert, key } = await startTlsRedis(t)
  for (const memory of [false, {}] as const) {
    const { lines } = await useEverything(t, { redis: { url, socket: { tls: true, ca, cert, key } }, prefix: `tls-${memory !== false}`, memory })
    t.same(lines.filter(({ level }) => level !== 'info'), [])
  }
})

t.test('a server that cannot be trusted, and one that does not trust us, are one line in the log, and routes answer', { skip }, async (t) => {
  const server = await startTlsRedis(t)
  const { ca, cert, key } = server
  const other = await foreignAuthority(t)
  const wrong: Record<string, { redis: RedisOption, reason: RegExp }> = {
    'another authority': { redis: over(server, { ca: other, cert, key }), reason: /certificate/i },
    'the authorities that Node knows': { redis: over(server, { cert, key }), reason: /certificate/i },
    // With TLS 1.3 a server says so after the handshake, when the client may have closed.
    'no client certificate': { redis: over(server, { ca }), reason: /./ },
    'another name': { redis: { url: server.url, socket: { tls: true, ca, cert, key, servername: 'elsewhere.test' } }, reason: /elsewhere\.test/ },
    'no TLS': { redis: server.url.replace('rediss:', 'redis:'), reason: /./ }
  }
  for (const [what, { redis, reason }] of Object.entries(wrong)) {
    const one = await buildApp(t, { redis, prefix: 'tls', timeouts: { ...PATIENT, read: '200ms' } })
    await one.app.ready()
    await until(`${what}: a line`, async () => {
      t.match(await ask(one, '/plain/1'), { status: 200, body: 'version 1' })
      return one.lines.length > 0
    })
    for (let i = 0; i < 20; i++) t.match(await ask(one, '/plain/1'), { status: 200, cache: 'MISS', detail: /detail=store-error/ })
    t.match(one.lines, [{ level: 'warn', state: 'store-error', reason }], what)
    t.equal(one.lines.length, 1, what)
    await one.app.close()
  }
})

function over ({ url }: TlsRedis, { ca, cert, key }: { ca?: string, cert?: string, key?: string }): RedisOption {
  return { url, socket: { tls: true, ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) } }
}
