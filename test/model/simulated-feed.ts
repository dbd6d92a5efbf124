import { delayMicros, type Line } from './simulated-connection.ts'
import type { Published } from './simulated-redis.ts'

type Handlers = Record<string, Array<(fault: Error) => void>>

/** The connection of one process for messages, as node-redis gives it: `ready`, `reconnecting`, `subscribe`. */
export class Feed {
  readonly isReady = true
  /** The newest message that the process has got. */
  heard = 0
  /** When the process was told last that it hears everything from now on. */
  upAt = -Infinity
  /** Whether the process was told that it may miss messages, and not yet that it hears them again. */
  isDown = false
  readonly #line: Line
  readonly #handlers: Handlers = {}
  #onMessage: ((text: string) => void) | undefined
  #onServer: ((message: Published) => void) | undefined
  /** Messages are put into a connection that has been replaced since. */
  #connection = 0
  #isSilent = false
  #isClosed = false
  #lastDelivery = 0
  #slowMicros = 0

  constructor (line: Line) {
    this.#line = line
  }

  on (event: string, handler: (fault: Error) => void): void {
    (this.#handlers[event] ??= []).push(handler)
  }

  #tell (event: string, fault: Error): void {
    for (const handler of this.#handlers[event] ?? []) handler(fault)
  }

  async connect (): Promise<void> {
    this.#later(() => { this.#tell('ready', new Error()) })
  }

  /** Answers when the server has run it; messages follow in the order they were sent. */
  subscribe (channel: string, listener: (text: string) => void): Promise<void> {
    const { time, server } = this.#line
    const connection = this.#connection
    this.#onMessage = listener
    return new Promise((resolve) => {
      time.plan(this.#delay(), 'world', () => {
        if (connection !== this.#connection) return
        this.#cut()
        this.#onServer = (message) => { if (message.channel === channel) this.#carry(message, connection) }
        server.subscribers.add(this.#onServer)
        this.#inOrder(() => {
          if (connection !== this.#connection) return
          this.upAt = time.now
          this.isDown = false
          resolve()
        })
      })
    })
  }

  async destroy (): Promise<void> {
    this.#isClosed = true
    this.#connection++
    this.#cut()
  }

  /** Messages are lost; after a while the process notices, and after another it listens again. */
  break ({ noticedAfter, backAfter }: { noticedAfter: number, backAfter: number }): void {
    const { time, owner } = this.#line
    this.#connection++
    this.#cut()
    time.plan(noticedAfter, owner, () => {
      this.isDown = true
      this.#tell('reconnecting', new Error('lost'))
    })
    time.plan(noticedAfter + backAfter, owner, () => { if (!this.#isClosed) this.#tell('ready', new Error()) })
  }

  /** Messages are lost for a while, and nobody tells; at the end the process may subscribe again. */
  silence (micros: number, { subscribesAgain }: { subscribesAgain: boolean }): void {
    this.#isSilent = true
    this.#line.time.plan(micros, 'world', () => { this.#isSilent = false })
    if (!subscribesAgain) return
    this.#line.time.plan(micros, this.#line.owner, () => { if (!this.#isClosed) this.#tell('ready', new Error()) })
  }

  /** Messages take longer for a while. */
  slow (micros: number, forMicros: number): void {
    this.#slowMicros = micros
    this.#line.time.plan(forMicros, 'world', () => { this.#slowMicros = 0 })
  }

  #carry ({ number, text }: Published, connection: number): void {
    if (this.#isSilent) return
    this.#inOrder(() => {
      if (connection !== this.#connection) return
      this.heard = Math.max(this.heard, number)
      this.#onMessage!(text)
    })
  }

  #inOrder (run: () => void): void {
    const { time, owner } = this.#line
    this.#lastDelivery = Math.max(this.#lastDelivery, time.now + this.#delay() + this.#slowMicros)
    time.plan(this.#lastDelivery - time.now, owner, run)
  }

  #later (run: () => void): void {
    this.#line.time.plan(this.#delay(), this.#line.owner, run)
  }

  #cut (): void {
    if (this.#onServer !== undefined) this.#line.server.subscribers.delete(this.#onServer)
    this.#onServer = undefined
  }

  #delay (): number {
    return delayMicros(this.#line.random, 20_000)
  }
}
