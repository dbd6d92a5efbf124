import { randomUUID } from 'node:crypto'
import { inTime } from '../deadline.ts'
import type { ConnectedRedis } from './redis-client.ts'
import { isReadOnly } from './store-health.ts'

export interface SilenceOptions {
  /** Asks the server something; tells whether the answer is one to that. */
  readonly ask: () => Promise<boolean>
  /** Gives the connection up and makes another one. */
  readonly renew: () => Promise<void>
  readonly onFault: (fault: unknown) => void
  /** How long each try takes, in milliseconds. */
  readonly tryMs?: number
}

type Answer = 'fine' | 'wrong'

/** Nothing has come back for so long: so many tries, so long each. With the breaker's second, what is over is noticed within two. */
const TRIES = 3
const TRY_MS = 500

/**
 * Gives up a connection on which nothing comes back, or what is no answer to what was asked: when a length was damaged on its way, each answer
 * may go to another command. A host that is gone, or a firewall that has forgotten the connection, says nothing, and
 * TCP finds out after many minutes; the server may be back, or another one in its place, all that time.
 */
export class SilenceWatch {
  readonly #options: SilenceOptions
  #isLooking = false

  constructor (options: SilenceOptions) {
    this.#options = options
  }

  /** An answer was late, or none. */
  suspect (): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#look().catch(this.#options.onFault).finally(() => { this.#isLooking = false })
  }

  async #look (): Promise<void> {
    const asked: Array<Promise<Answer>> = []
    for (let tries = 0; tries < TRIES; tries++) {
      asked.push(this.#ask())
      // When a question was lost, the answer to the next one is taken for the answer to it.
      const found = await firstWithin(this.#options.tryMs ?? TRY_MS, asked)
      if (found === 'fine') return
      if (found === 'wrong') break
    }
    await this.#options.renew()
  }

  async #ask (): Promise<Answer> {
    try {
      return await this.#options.ask() ? 'fine' : 'wrong'
    } catch {
      return 'fine' // a refusal is an answer, and a connection that is known to be lost is made anew anyway
    }
  }
}

async function firstWithin (ms: number, asked: ReadonlyArray<Promise<Answer>>): Promise<Answer | undefined> {
  try {
    return await inTime(ms, Promise.race(asked), { idle: true })
  } catch {
    return undefined // none is there
  }
}

/** Whether what comes back is the answer to what was asked. */
export async function echoes (client: ConnectedRedis): Promise<boolean> {
  const message = randomUUID()
  return client.ping === undefined || String(await client.ping(message)) === message
}

/** Whether a key can be removed, of which there is none. Where the address of a master leads to another server, connections stay with the one that is a replica now. */
export async function isMaster (client: ConnectedRedis, key: string): Promise<boolean> {
  return await inTime(TRY_MS, client.unlink(key), { idle: true }).then(() => true, (fault: unknown) => !isReadOnly(fault))
}
