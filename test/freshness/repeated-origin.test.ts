import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyRequest } from 'fastify'
import type { Store } from '../../lib/store/store.ts'
import { test, type Test } from 'tap'
import { plainStore } from '../store/plain-store.ts'
import { cached, counted, filled, refreshFailed, said, scene, until, type Scene } from './scene.ts'

const MINUTE_MS = 60_000
const JSON_TYPE = { 'content-type': 'application/json' }

/** Connections to the app over a unix socket, as from a proxy on the same machine. */
async function overUnixSocket (t: Test, { app }: Scene): Promise<() => Socket> {
  const folder = await mkdtemp(join(tmpdir(), 'frc-'))
  const server = createServer((request, response) => { app.routing(request, response) })
  server.listen(join(folder, 's'))
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  return () => connect(join(folder, 's'))
}

/** A store whose answers to `get` come when the test says so. */
function storeInHand (): { store: Store, hold: () => { asked: () => boolean, answer: () => void } } {
  const plain = plainStore()
  let held: Promise<void> | undefined
  let onGet = (): void => {}
  const store: Store = {
    ...plain,
    async get (key) {
      onGet()
      await held
      return await plain.get(key)
    }
  }
  return {
    store,
    hold () {
      let answer = (): void => {}
      let isAsked = false
      held = new Promise((resolve) => { answer = resolve })
      onGet = () => { isAsked = true }
      return { asked: () => isAsked, answer: () => { held = undefined; answer() } }
    }
  }
}

test('who came over a unix socket has no address when the request is repeated either, so that no word of the client is trusted', async (t) => {
  const guarded: Array<[string | undefined, string, string]> = []
  const site = await scene(t, (app, origin) => {
    app.addHook('onRequest', async ({ ip, host, protocol }) => { guarded.push([ip, host, protocol]) })
    app.get('/', cached({ staleWhileRevalidate: '1h' }), origin.handler)
  }, { fastify: { trustProxy: 'loopback' } })
  const socket = await overUnixSocket(t, site)
  const headers = { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }
  site.origin.answers((_run, { ip }) => ({ ip: String(ip) }))
  await site.ask('/', { headers, socket: socket() })
  site.pass(MINUTE_MS + 1)
  t.match(said(await site.ask('/', { headers, socket: socket() })), { cache: 'STALE' })
  await filled(2, site)
  t.strictSame(guarded, Array(3).fill([undefined, 'a.example', 'http']))
  t.match(said(await site.ask('/', { headers, socket: socket() })), { cache: 'HIT', text: '{"ip":"undefined"}' })
})

test('what is asked for over a unix socket and has to be there in time is made by a repeated request without an address', async (t) => {
  const site = await scene(t, { hardTimeout: '20s' })
  const socket = await overUnixSocket(t, site)
  site.origin.answers((_run, { ip, raw }) => [String(ip), String(raw.socket.remoteAddress)])
  t.match(said(await site.ask('/', { socket: socket() })), { cache: 'HIT', text: '["undefined","undefined"]' })
  t.equal(site.stats().refreshes, 1)
})

// Elsewhere a client has one loopback address.
const opts = { skip: process.platform === 'linux' ? false : 'needs all of 127.0.0.0/8' }

test('a client that hangs up during the look-up leaves its address to the refresh', opts, async (t) => {
  const { store, hold } = storeInHand()
  let raw: FastifyRequest['raw'] | undefined
  const site = await scene(t, (app, origin) => {
    // Its address is not asked for here: Node remembers it from then on.
    app.addHook('onRequest', async (request) => { if (request.headers['x-hasty'] !== undefined) raw ??= request.raw })
    app.get('/', cached({ staleWhileRevalidate: '1h' }), origin.handler)
  }, { cache: { store } })
  site.origin.answers((_run, { ip }) => ({ ip }))
  await site.app.inject({ url: '/', headers: { host: 'a.example' } })
  site.pass(MINUTE_MS + 1)
  const lookUp = hold()
  const socket = connect({ port: site.port, host: '127.0.0.1', localAddress: '127.0.0.2' }).on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nhost: a.example\r\nx-hasty: 1\r\n\r\n')
  await until(lookUp.asked, 'the look-up')
  socket.resetAndDestroy()
  await until(() => raw?.socket.destroyed === true, 'the end of the connection')
  lookUp.answer()
  const { request } = await site.origin.run(2)
  t.equal(request.ip, '127.0.0.2')
})

test('a body that a hook changes each time is not repeated: with hardTimeout its own request runs the handler, once', async (t) => {
  const site = await scene(t, (app, origin) => {
    const toCents = async ({ body }: FastifyRequest): Promise<void> => { (body as { amount: number }).amount *= 100 }
    app.post('/hard', { preHandler: toCents, ...cached({ key: ({ body }) => (body as { id: string }).id, hardTimeout: '20s' }) }, origin.handler)
  })
  const amounts: unknown[] = []
  site.origin.answers((_run, { body }) => {
    const { amount } = body as { amount: number }
    amounts.push(amount)
    return { cents: amount }
  })
  const post = { method: 'POST', headers: JSON_TYPE, body: '{"id":"a","amount":5}' }
  t.match(said(await site.ask('/hard', post)), { status: 200, text: '{"cents":500}' })
  t.match(said(await site.ask('/hard', { ...post, body: '{"id":"b","amount":7}' })), { status: 200, text: '{"cents":700}' })
  t.strictSame(amounts, [500, 700], 'never with another body than the client had')
})

test('a refresh whose body has become another one has failed, and its handler did not run', async (t) => {
  const site = await scene(t, (app, origin) => {
    const toCents = async ({ body }: FastifyRequest): Promise<void> => { (body as { amount: number }).amount *= 100 }
    app.post('/', { preHandler: toCents, ...cached({ key: ({ body }) => (body as { id: string }).id, staleWhileRevalidate: '1h' }) }, origin.handler)
  })
  site.origin.answers((_run, { body }) => ({ cents: (body as { amount: number }).amount }))
  const post = { method: 'POST', headers: JSON_TYPE, body: '{"id":"a","amount":5}' }
  await site.ask('/', post)
  site.pass(MINUTE_MS + 1)
  t.match(said(await site.ask('/', post)), { status: 200, cache: 'STALE', text: '{"cents":500}' })
  await refreshFailed(1, site)
  t.equal(site.origin.runs.length, 1)
  t.match(site.warnings, [{ details: { cache: { outcome: 'refresh', reason: 'failed', status: 409 } } }])
  t.match(counted(site), { refreshes: 1, refreshErrors: 1, fills: 1 })
})

test('a body that hooks make the same of each time is repeated', async (t) => {
  const site = await scene(t, (app, origin) => {
    const tidy = async ({ body }: FastifyRequest): Promise<void> => { (body as { name: string }).name = (body as { name: string }).name.trim() }
    app.post('/', { preHandler: tidy, ...cached({ varyByBody: true, staleWhileRevalidate: '1h' }) }, origin.handler)
  })
  site.origin.answers((run, { body }) => ({ run, body }))
  const post = { method: 'POST', headers: JSON_TYPE, body: '{"name":" ann "}' }
  await site.ask('/', post)
  site.pass(MINUTE_MS + 1)
  t.match(said(await site.ask('/', post)), { cache: 'STALE' })
  await filled(2, site)
  t.match(said(await site.ask('/', post)), { cache: 'HIT', text: '{"run":2,"body":{"name":"ann"}}' })
})

for (const type of ['application/json', 'application/json; charset=utf-8']) {
  test(`a text that was sent as ${type} is not repeated as if it were JSON itself`, async (t) => {
    const site = await scene(t, (app, origin) => {
      app.post('/', cached({ varyByBody: true, hardTimeout: '20s' }), origin.handler)
    })
    const bodies: unknown[] = []
    site.origin.answers((_run, { body }) => {
      bodies.push(body)
      return { is: typeof body }
    })
    const post = { method: 'POST', headers: { 'content-type': type }, body: '"123"' }
    t.match(said(await site.ask('/', post)), { status: 200, cache: 'MISS', text: '{"is":"string"}' })
    t.match(said(await site.ask('/', post)), { status: 200, cache: 'HIT', text: '{"is":"string"}' })
    t.match(said(await site.ask('/', { ...post, body: '123' })), { status: 200, text: '{"is":"number"}' })
    t.strictSame(bodies, ['123', 123])
  })
}

test('a header field named like something that all objects have is repeated as it is', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1h' })
  site.origin.answers((run) => `made ${run}`)
  const headers = { constructor: 'x' } as unknown as Record<string, string>
  await site.ask('/', { headers })
  site.pass(MINUTE_MS + 1)
  t.match(said(await site.ask('/', { headers })), { cache: 'STALE' })
  await filled(2, site)
  const [asked, repeated] = site.origin.runs.map(({ request: { headers: { connection, ...others } } }) => Object.entries(others))
  t.strictSame(repeated, asked)
  t.ok(repeated!.some(([name, value]) => name === 'constructor' && value === 'x'))
})
