import { once, setMaxListeners } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What the client sends, or what the server answers. */
export type Direction = 'requests' | 'replies'

/**
 * What happens to bytes on their way. A `direction` that is not named means both.
 *
 * - delay: each chunk arrives `ms` later, in order, in both directions together twice as late.
 * - silence: bytes wait, and arrive when it ends, as with a network that comes back.
 * - blackhole: bytes are lost, as with a firewall that has forgotten the connection. A connection that has lost some stays mute in that
 *   direction for ever: what came later would be taken for the answer to something else.
 * - refuse: nobody listens, and what was open ends. hang-up: connections are accepted and closed at once.
 * - cut: each connection ends after so many bytes of replies, for some in the middle of one.
 * - garble: of each `every` bytes of replies one has another bit flipped.
 * - throttle: so many bytes in a second, for each connection.
 * - half-close: the client is told that no more replies come.
 */
export type ProxyFault =
  | { readonly kind: 'none' }
  | { readonly kind: 'delay', readonly ms: number, readonly direction?: Direction }
  | { readonly kind: 'silence', readonly direction?: Direction }
  | { readonly kind: 'blackhole', readonly direction?: Direction }
  | { readonly kind: 'refuse' }
  | { readonly kind: 'hang-up' }
  | { readonly kind: 'cut', readonly afterBytes: number }
  | { readonly kind: 'garble', readonly every: number }
  | { readonly kind: 'throttle', readonly bytesPerSecond: number }
  | { readonly kind: 'half-close' }

export interface FaultyProxy {
  readonly port: number
  /** Connections that are open to the server at the moment. */
  readonly connections: number
  /** Bytes that were passed on so far. */
  readonly passed: Readonly<Record<Direction, number>>
  /** Takes effect on what arrives from now on. Resolves when nobody or somebody listens, as it has to be. */
  set (fault: ProxyFault): Promise<void>
  /** Tells all clients something that the server has not said. */
  say (bytes: string): void
  /** Ends all connections. */
  cut (): void
  /** Ends all connections and stops listening. */
  close (): Promise<void>
}

const MOST_WAITING_BYTES = 2 ** 20
const SLICES_PER_SECOND = 20

/** What all connections of a proxy look at. */
interface Scene {
  fault: ProxyFault
  /** Aborted when there is another fault. */
  changing: AbortController
  readonly passed: Record<Direction, number>
}

/** Puts a proxy in front of a server, on a free port of 127.0.0.1. */
export async function startFaultyProxy (target: { readonly host?: string, readonly port: number }): Promise<FaultyProxy> {
  const scene: Scene = { fault: { kind: 'none' }, changing: newChange(), passed: { requests: 0, replies: 0 } }
  const links = new Set<Link>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (scene.fault.kind === 'hang-up') return client.destroy()
    const link = new Link(client, connect({ host: '127.0.0.1', ...target, allowHalfOpen: true, noDelay: true }), scene)
    links.add(link)
    link.closed.addEventListener('abort', () => { links.delete(link) }, { once: true })
  })
  await listen(server, 0)
  const { port } = server.address() as AddressInfo

  function cut (): void {
    for (const link of links) link.end()
  }

  return {
    port,
    passed: scene.passed,
    get connections () { return links.size },
    say (bytes) { for (const link of links) link.say(bytes) },
    cut,
    async set (fault) {
      scene.fault = fault
      scene.changing.abort()
      scene.changing = newChange()
      if (fault.kind === 'refuse') await unlisten(server, cut)
      else await listen(server, port)
      if (fault.kind === 'hang-up') cut()
      if (fault.kind === 'half-close') for (const link of links) link.endReplies()
    },
    close: async () => { await unlisten(server, cut) }
  }
}

function newChange (): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}

async function listen (server: Server, port: number): Promise<void> {
  if (server.listening) return
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
}

async function unlisten (server: Server, cut: () => void): Promise<void> {
  if (!server.listening) return cut()
  const closed = once(server, 'close')
  server.close()
  cut()
  await closed
}

/** One connection of a client, and the one to the server that belongs to it. */
class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #closing = new AbortController()

  constructor (client: Socket, server: Socket, scene: Scene) {
    this.#client = client
    this.#server = server
    setMaxListeners(0, this.#closing.signal)
    const end = (): void => { this.end() }
    for (const socket of [client, server]) {
      // The other side is to see that this one has broken, nothing else.
      socket.on('error', end)
      socket.on('close', end)
    }
    const common = { scene, closed: this.closed, end }
    new Flow({ ...common, direction: 'requests', from: client, to: server }).begin()
    new Flow({ ...common, direction: 'replies', from: server, to: client }).begin()
  }

  get closed (): AbortSignal {
    return this.#closing.signal
  }

  end (): void {
    if (this.closed.aborted) return
    this.#closing.abort()
    // Not `resetAndDestroy`: it waits for what a peer that does not read has not taken yet.
    for (const socket of [this.#client, this.#server]) socket.destroy()
  }

  say (bytes: string): void {
    this.#client.write(bytes)
  }

  endReplies (): void {
    this.#client.end()
  }
}

interface FlowOptions {
  readonly scene: Scene
  readonly direction: Direction
  readonly from: Socket
  readonly to: Socket
  readonly closed: AbortSignal
  readonly end: () => void
}

/** The bytes of one direction: chunks wait in a line, and each goes by the fault of the moment at which it is its turn. */
class Flow {
  readonly #options: FlowOptions
  #line: Promise<void> = Promise.resolve()
  #waitingBytes = 0
  #isLost = false
  /** Since when `#bytes` are counted. */
  #fault: ProxyFault | undefined
  #bytes = 0

  constructor (options: FlowOptions) {
    this.#options = options
  }

  begin (): void {
    const { from, to } = this.#options
    from.on('data', (chunk: Buffer) => { this.#arrived(chunk) })
    from.on('end', () => {
      this.#line = this.#line.then(() => { if (to.writable) to.end() })
    })
  }

  #arrived (chunk: Buffer): void {
    const { from, closed, end } = this.#options
    const arrivedAt = performance.now()
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes > MOST_WAITING_BYTES) from.pause()
    this.#line = this.#line.then(async () => {
      if (closed.aborted) return
      await this.#pass(chunk, arrivedAt)
      this.#waitingBytes -= chunk.length
      if (this.#waitingBytes <= MOST_WAITING_BYTES) from.resume()
    }).catch((fault: unknown) => {
      if (!closed.aborted) end()
      if ((fault as Error).name !== 'AbortError') throw fault
    })
  }

  async #pass (chunk: Buffer, arrivedAt: number): Promise<void> {
    const { scene, direction, closed, end } = this.#options
    while (scene.fault.kind === 'silence' && concerns(scene.fault, direction)) await changed(scene, closed)
    const { fault } = scene
    if (fault !== this.#fault) {
      this.#fault = fault
      this.#bytes = 0
    }
    const before = this.#bytes
    this.#bytes += chunk.length
    if (fault.kind === 'delay' && concerns(fault, direction)) {
      await sleep(Math.max(0, arrivedAt + fault.ms - performance.now()), undefined, { signal: closed })
    }
    if (fault.kind === 'blackhole' && concerns(fault, direction)) this.#isLost = true
    if (this.#isLost) return
    if (fault.kind === 'cut' && direction === 'replies' && this.#bytes >= fault.afterBytes) {
      this.#write(chunk.subarray(0, Math.max(0, fault.afterBytes - before)), end)
      return
    }
    if (fault.kind === 'throttle') return await this.#trickle(chunk, fault.bytesPerSecond)
    this.#write(fault.kind === 'garble' && direction === 'replies' ? garbled(chunk, before, fault.every) : chunk)
  }

  async #trickle (chunk: Buffer, bytesPerSecond: number): Promise<void> {
    const { scene, closed } = this.#options
    const size = Math.max(1, Math.ceil(bytesPerSecond / SLICES_PER_SECOND))
    const { fault } = scene
    let at = 0
    while (at < chunk.length && scene.fault === fault) {
      const slice = chunk.subarray(at, at + size)
      await sleep(1000 * slice.length / bytesPerSecond, undefined, { signal: closed })
      this.#write(slice)
      at += slice.length
    }
    if (at < chunk.length) this.#write(chunk.subarray(at))
  }

  #write (bytes: Buffer, then?: () => void): void {
    const { scene, direction, to } = this.#options
    scene.passed[direction] += bytes.length
    if (!to.writable) return then?.()
    // What is ended at once may not have been sent.
    to.write(bytes, () => { if (then !== undefined) setImmediate(then) })
  }
}

function concerns (fault: { readonly direction?: Direction }, direction: Direction): boolean {
  return fault.direction === undefined || fault.direction === direction
}

async function changed ({ changing }: Scene, closed: AbortSignal): Promise<void> {
  const either = AbortSignal.any([changing.signal, closed])
  if (!either.aborted) await once(either, 'abort')
  closed.throwIfAborted()
}

/** Another byte of each stretch, and another bit of it, so that every part of a reply is met sooner or later. */
function garbled (chunk: Buffer, before: number, every: number): Buffer {
  const copy = Buffer.from(chunk)
  for (let at = 0; at < copy.length; at++) {
    const stretch = Math.floor((before + at) / every)
    if ((before + at) % every === (stretch * 7919 + every - 1) % every) copy[at]! ^= 1 << (stretch % 8)
  }
  return copy
}
