import { connect, type Socket } from 'node:net'
import { now } from '../../test/herd/settings.ts'

/** A response as it came, or none because the connection broke. */
export interface Raw {
  readonly head: string
  readonly body: string
  /** When its last byte came. */
  readonly at: number
}

const END_OF_HEAD = '\r\n\r\n'
const NOTHING = { head: '', body: '' }

/**
 * One keep-alive connection with one request at a time. Node's own client takes more of a core for a request than the server does for
 * a hit; this one knows only what the servers of the herd send: a Content-Length and text.
 */
export class Connection {
  readonly port: number
  readonly #socket: Socket
  #received = ''
  #done: ((raw: Raw) => void) | undefined
  isOpen = true

  private constructor (port: number, socket: Socket) {
    this.port = port
    this.#socket = socket
    socket.setNoDelay(true).setEncoding('latin1')
    socket.on('data', (text: string) => this.#receive(text))
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => {
      this.isOpen = false
      this.#finish(NOTHING)
    })
  }

  /** Waits until the connection stands, or has failed. */
  static async open (port: number): Promise<Connection> {
    const socket = connect(port, '127.0.0.1')
    const connection = new Connection(port, socket)
    await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', () => resolve()))
    return connection
  }

  /** Calls `done` exactly once. */
  send (request: string, done: (raw: Raw) => void): void {
    if (this.#done !== undefined) throw new Error('one request at a time')
    this.#done = done
    if (this.isOpen) this.#socket.write(request, 'latin1')
    else this.#finish(NOTHING)
  }

  close (): void {
    this.#socket.destroy()
  }

  #receive (text: string): void {
    this.#received += text
    const end = this.#received.indexOf(END_OF_HEAD)
    if (end === -1) return
    const head = this.#received.slice(0, end)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) throw new Error(`expected a Content-Length in ${head}`)
    const body = this.#received.slice(end + END_OF_HEAD.length)
    if (body.length < Number(length)) return
    this.#received = ''
    this.#finish({ head, body })
  }

  #finish ({ head, body }: { head: string, body: string }): void {
    const done = this.#done
    this.#done = undefined
    done?.({ head, body, at: now() })
  }
}

/** Connections that stand and wait for requests. */
export class Connections {
  readonly #free = new Map<number, Connection[]>()

  /** Opens what is missing to `count` free connections to a port. Not all at once: a listening socket has a queue of bounded length. */
  async prepare (port: number, count: number): Promise<void> {
    const free = this.#of(port).filter(({ isOpen }) => isOpen)
    this.#free.set(port, free)
    while (free.length < count) {
      free.push(...await Promise.all(Array.from({ length: Math.min(100, count - free.length) }, async () => await Connection.open(port))))
    }
  }

  /** A free connection, or undefined where there is none. */
  take (port: number): Connection | undefined {
    return this.#of(port).pop()
  }

  give (connection: Connection): void {
    if (connection.isOpen) this.#of(connection.port).push(connection)
  }

  #of (port: number): Connection[] {
    const free = this.#free.get(port) ?? []
    this.#free.set(port, free)
    return free
  }
}
