import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startFaultyProxy, type FaultyProxy, type ProxyFault } from '../helpers/faulty-proxy.ts'

/** A server that sends back what it gets, a proxy in front of it, and what clients get through it. */
async function scene (t: Test) {
  const heard: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}) // a reset is what some tests make
    socket.on('close', () => { sockets.delete(socket) })
    socket.on('data', (chunk) => {
      heard.push(chunk)
      socket.write(chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await startFaultyProxy({ port: (server.address() as AddressInfo).port })
  const clients: Client[] = []
  t.teardown(async () => {
    for (const client of clients) client.socket.destroy()
    await proxy.close()
    server.close()
  })
  return {
    proxy,
    sockets,
    heardBytes: () => Buffer.concat(heard),
    open: async () => {
      const client = await openClient(proxy)
      clients.push(client)
      return client
    }
  }
}

interface Client {
  readonly socket: Socket
  readonly ended: Promise<unknown>
  readonly closed: Promise<unknown>
  got (): Buffer
  /** Settles once so many bytes have come. */
  bytes (count: number): Promise<Buffer>
}

async function openClient ({ port }: FaultyProxy): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => { chunks.push(chunk) })
  const ended = new Promise((resolve) => { socket.once('end', resolve) })
  // Half-open, so that an end is told from nothing; nothing comes after it either way.
  const closed = Promise.race([ended, new Promise((resolve) => { socket.once('close', resolve) })])
  socket.on('error', () => {}) // 'close' follows
  await once(socket, 'connect')
  const got = (): Buffer => Buffer.concat(chunks)
  return {
    socket,
    ended,
    closed,
    got,
    bytes: async (count) => {
      while (got().length < count) await once(socket, 'data')
      return got()
    }
  }
}

t.test('bytes pass in both directions, and are counted', async (t) => {
  const { proxy, open } = await scene(t)
  const client = await open()
  client.socket.write('hello')
  t.equal((await client.bytes(5)).toString(), 'hello')
  t.strictSame(proxy.passed, { requests: 5, replies: 5 })
  t.equal(proxy.connections, 1)
})

t.test('what is delayed comes later and in order', async (t) => {
  const { proxy, open } = await scene(t)
  const client = await open()
  await proxy.set({ kind: 'delay', ms: 400, direction: 'replies' })
  const beganAt = performance.now()
  for (const part of ['1', '2', '3', '4']) {
    client.socket.write(part)
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  t.equal((await client.bytes(4)).toString(), '1234')
  const tookMs = performance.now() - beganAt
  t.ok(tookMs > 395, `${tookMs} ms`)
  t.ok(tookMs < 1500, `they are on their way at the same time: ${tookMs} ms`)
})

t.test('what is silent comes when it is over', async (t) => {
  const { proxy, open, heardBytes } = await scene(t)
  const client = await open()
  await proxy.set({ kind: 'silence', direction: 'replies' })
  client.socket.write('late')
  while (heardBytes().length < 4) await new Promise((resolve) => { setImmediate(resolve) })
  t.equal(client.got().length, 0)
  await proxy.set({ kind: 'none' })
  t.equal((await client.bytes(4)).toString(), 'late')
})

for (const direction of ['requests', 'replies'] as const) {
  t.test(`a connection that has lost ${direction} is mute for ever, a new one is not`, async (t) => {
    const { proxy, open, heardBytes } = await scene(t)
    const lost = await open()
    await proxy.set({ kind: 'blackhole', direction })
    lost.socket.write('lost')
    const during = await open()
    during.socket.write('lost')
    if (direction === 'replies') while (heardBytes().length < 8) await new Promise((resolve) => { setImmediate(resolve) })
    // Another byte behind it on the same path has been looked at as well once this is answered.
    await new Promise((resolve) => { setTimeout(resolve, 20) })
    await proxy.set({ kind: 'none' })
    lost.socket.write('still')
    const after = await open()
    after.socket.write('heard')
    t.equal((await after.bytes(5)).toString(), 'heard')
    t.equal(lost.got().length + during.got().length, 0)
    t.equal(heardBytes().toString().includes('lost'), direction === 'replies')
    proxy.cut()
    await Promise.all([lost.closed, during.closed, after.closed])
    t.equal(proxy.connections, 0)
  })
}

t.test('while it refuses nobody listens, and afterwards the port is the same', async (t) => {
  const { proxy, open } = await scene(t)
  const before = await open()
  await proxy.set({ kind: 'refuse' })
  await before.closed
  await t.rejects(open(), { code: 'ECONNREFUSED' })
  await proxy.set({ kind: 'none' })
  const after = await open()
  after.socket.write('again')
  t.equal((await after.bytes(5)).toString(), 'again')
})

t.test('while it hangs up connections are accepted and closed', async (t) => {
  const { proxy, open } = await scene(t)
  const before = await open()
  await proxy.set({ kind: 'hang-up' })
  await before.closed
  const during = await open()
  await during.closed
  t.equal(proxy.connections, 0)
})

t.test('a connection is cut in the middle of a reply, and so is the next one', async (t) => {
  const { proxy, open } = await scene(t)
  await proxy.set({ kind: 'cut', afterBytes: 10 })
  for (let i = 0; i < 2; i++) {
    const client = await open()
    client.socket.write('1234567')
    await client.bytes(7)
    client.socket.write('890abc')
    await client.closed
    t.equal(client.got().toString(), '1234567890')
    client.socket.destroy()
  }
  t.equal(proxy.connections, 0)
})

t.test('of each stretch of a reply one bit is flipped', async (t) => {
  const { proxy, open, heardBytes } = await scene(t)
  await proxy.set({ kind: 'garble', every: 10 })
  const client = await open()
  const sent = Buffer.alloc(1000, 'x')
  client.socket.write(sent)
  const got = await client.bytes(1000)
  t.strictSame(heardBytes(), sent, 'what is asked is not touched')
  const flipped = [...got].filter((byte, at) => byte !== sent[at])
  t.equal(flipped.length, 100)
  for (const byte of flipped) t.equal(Math.log2(byte ^ 120) % 1, 0)
})

t.test('no more bytes come in a second than is said', async (t) => {
  const { proxy, open } = await scene(t)
  const client = await open()
  await proxy.set({ kind: 'throttle', bytesPerSecond: 10_000 })
  const beganAt = performance.now()
  client.socket.write(Buffer.alloc(2000))
  await client.bytes(2000)
  // Requests and replies, one behind the other for the first slice only.
  t.ok(performance.now() - beganAt > 195, `${performance.now() - beganAt} ms`)
})

t.test('a half-closed connection gives no more replies, and ends when its client ends it', async (t) => {
  const { proxy, open, sockets } = await scene(t)
  const client = await open()
  client.socket.write('x')
  await client.bytes(1)
  await proxy.set({ kind: 'half-close' })
  await client.ended
  t.equal(proxy.connections, 1)
  const [socket] = sockets
  client.socket.end()
  if (socket !== undefined) await once(socket, 'close')
})

t.test('nothing stays open', async (t) => {
  const { proxy, open } = await scene(t)
  const clients = [await open(), await open()]
  const faults: ProxyFault[] = [{ kind: 'silence' }, { kind: 'delay', ms: 60_000 }, { kind: 'throttle', bytesPerSecond: 1 }]
  for (const fault of faults) {
    await proxy.set(fault)
    for (const client of clients) client.socket.write('waiting')
  }
  await proxy.close()
  await Promise.all(clients.map(({ closed }) => closed))
  t.equal(proxy.connections, 0)
  await t.rejects(open(), { code: 'ECONNREFUSED' })
})
