import { once } from 'node:events'
import { request as open } from 'node:http'
import type { Duplex } from 'node:stream'
import websocket from '@fastify/websocket'
import { repeats, type Service } from '../plugin/serve.ts'
import { cached, counter, inBothOrders } from './orders.ts'

const UPGRADE = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }

interface Upgraded {
  socket: Duplex
  /** The text of the first message, which is short and not masked (RFC 6455 section 5.2). */
  message: string
  fields: NodeJS.Dict<string | string[]>
}

/** Opens a WebSocket and reads one message. */
async function upgrade ({ port }: Service, path: string): Promise<Upgraded> {
  const request = open({ port, host: '127.0.0.1', path, headers: { host: 'a.example', ...UPGRADE } })
  request.end()
  const [response, socket, head] = await once(request, 'upgrade') as [{ headers: NodeJS.Dict<string | string[]> }, Duplex, Buffer]
  let bytes = head
  while (bytes.length < 2 || bytes.length < 2 + bytes[1]!) bytes = Buffer.concat([bytes, (await once(socket, 'data') as [Buffer])[0]])
  return { socket, message: bytes.toString('utf8', 2, 2 + bytes[1]!), fields: response.headers }
}

inBothOrders('@fastify/websocket: a route with both answers GETs from the cache and upgrades every WebSocket itself', () => {
  let opened = 0
  return {
    plugin: (app) => app.register(websocket),
    routes: (app) => {
      app.route({ method: 'GET', url: '/', ...cached(), handler: counter(), wsHandler: (socket) => { socket.send(`socket ${++opened}`) } })
    }
  }
}, async (t, service) => {
  await repeats(t, service, '/')
  for (const number of [1, 2]) {
    const { socket, message, fields } = await upgrade(service, '/')
    t.equal(message, `socket ${number}`)
    t.strictSame([fields['x-cache'], fields['cache-status'], fields['age']], [undefined, undefined, undefined])
    socket.destroy()
  }
  t.equal((await service.get('/')).field('x-cache'), 'HIT')
})

inBothOrders('@fastify/websocket: an upgrade does not fill the cache', () => ({
  plugin: (app) => app.register(websocket),
  routes: (app) => {
    app.route({ method: 'GET', url: '/', ...cached(), handler: counter(), wsHandler: (socket) => { socket.send('first') } })
  }
}), async (t, service) => {
  const { socket } = await upgrade(service, '/')
  const { miss } = await repeats(t, service, '/')
  t.equal(miss.text, '{"made":1}')
  socket.destroy()
})

inBothOrders('@fastify/websocket: guards of a cached route run for upgrades as for hits', () => ({
  plugin: (app) => app.register(websocket),
  routes: (app) => {
    app.route({
      method: 'GET',
      url: '/',
      ...cached(),
      preHandler: async (request) => {
        if (request.headers['x-word'] !== 'sesame') throw Object.assign(new Error('wrong word'), { statusCode: 403 })
      },
      handler: counter(),
      wsHandler: (socket) => { socket.send('open') }
    })
  }
}), async (t, service) => {
  await service.get('/', { headers: { 'x-word': 'sesame' } })
  t.equal((await service.get('/', { headers: { 'x-word': 'sesame' } })).field('x-cache'), 'HIT')
  t.equal((await service.get('/')).status, 403)
  const refused = await service.get('/', { headers: UPGRADE })
  t.equal(refused.status, 403)
})

inBothOrders('@fastify/websocket: HEAD of a cached route is answered from the GET, as without it', () => ({
  plugin: (app) => app.register(websocket),
  routes: (app) => { app.get('/', cached(), counter()) }
}), async (t, service) => {
  await repeats(t, service, '/')
  const head = await service.get('/', { method: 'HEAD' })
  t.strictSame([head.field('x-cache'), head.field('content-length'), head.text], ['HIT', '10', ''])
})
