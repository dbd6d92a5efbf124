import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import type { Feed } from './simulated-feed.ts'
import type { SimulatedRedis } from './simulated-redis.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface Line {
  readonly time: VirtualTime
  readonly server: SimulatedRedis
  /** The process at this end. */
  readonly owner: number
  readonly random: () => number
}

interface InFlight {
  isDone: boolean
  readonly reject: (fault: Error) => void
}

/** One way over the network, in microseconds: mostly less than a millisecond, now and then much more. */
export function delayMicros (random: () => number, mostMicros: number): number {
  const dice = random()
  const upTo = dice < 0.9 ? 600 : dice < 0.98 ? 15_000 : 120_000
  return Math.min(mostMicros, 30 + random() * upTo)
}

/** The commands of one process: each is run by the server after a while, and answered after another. */
export class SimulatedConnection implements ConnectedRedis {
  /** Commands that were not answered, so far. */
  faults = 0
  readonly #line: Line
  readonly #feed: Feed
  readonly #isOrdered: boolean
  readonly #mostMicros: number
  readonly #inFlight = new Set<InFlight>()
  #isUp = true
  #stalledUntil = 0
  #lastRun = 0
  #lastReply = 0

  /** Ordered: one connection. Otherwise a pool, where a later command may be run first. */
  constructor (line: Line, { feed, isOrdered, mostMicros }: { feed: Feed, isOrdered: boolean, mostMicros: number }) {
    this.#line = line
    this.#feed = feed
    this.#isOrdered = isOrdered
    this.#mostMicros = mostMicros
  }

  get pending (): number {
    return this.#inFlight.size
  }

  /** Whatever is on its way is not answered; what has not arrived yet is never run. */
  break (): void {
    this.#isUp = false
    for (const command of this.#inFlight) this.#fail(command)
  }

  restore (): void {
    this.#isUp = true
  }

  /** What is sent meanwhile arrives later. */
  stall (micros: number): void {
    this.#stalledUntil = this.#line.time.now + micros
  }

  get = (key: string): Promise<unknown> => this.#send('get', [key])
  set = (...args: unknown[]): Promise<unknown> => this.#send('set', args)
  unlink = (key: string): Promise<unknown> => this.#send('unlink', [key])
  pExpire = (...args: unknown[]): Promise<unknown> => this.#send('pExpire', args)
  pTTL = (key: string): Promise<unknown> => this.#send('pTTL', [key])
  zmScore = (...args: unknown[]): Promise<unknown> => this.#send('zmScore', args)
  eval = (...args: unknown[]): Promise<unknown> => this.#send('eval', args)

  withTypeMapping (): this {
    return this
  }

  duplicate (): Feed {
    return this.#feed
  }

  on (): void {}
  off (): void {}

  #send (name: string, args: readonly unknown[]): Promise<unknown> {
    const { time, server } = this.#line
    return new Promise((resolve, reject) => {
      const command: InFlight = { isDone: false, reject }
      this.#inFlight.add(command)
      if (!this.#isUp) return this.#fail(command)
      const arrivesAt = Math.max(time.now, this.#stalledUntil) + this.#delay()
      this.#lastRun = this.#isOrdered ? Math.max(arrivesAt, this.#lastRun) : arrivesAt
      time.plan(this.#lastRun - time.now, 'world', () => {
        if (command.isDone) return
        this.#reply(command, { reply: server.execute(name, args), resolve })
      })
    })
  }

  #reply (command: InFlight, { reply, resolve }: { reply: unknown, resolve: (reply: unknown) => void }): void {
    const { time, owner } = this.#line
    const arrivesAt = time.now + this.#delay()
    this.#lastReply = this.#isOrdered ? Math.max(arrivesAt, this.#lastReply) : arrivesAt
    time.plan(this.#lastReply - time.now, owner, () => {
      if (command.isDone) return
      command.isDone = true
      this.#inFlight.delete(command)
      resolve(reply)
    })
  }

  #fail (command: InFlight): void {
    command.isDone = true
    this.#line.time.plan(this.#delay(), this.#line.owner, () => {
      this.#inFlight.delete(command)
      this.faults++
      command.reject(new Error('the simulated connection is broken'))
    })
  }

  #delay (): number {
    return delayMicros(this.#line.random, this.#mostMicros)
  }
}
