import { setImmediate as nextTurn } from 'node:timers/promises'
import { backOff } from '../backoff.ts'
import { timer } from '../deadline.ts'
import type { ConnectedRedis } from './redis-client.ts'

/**
 * What all clients of node-redis have in common for those who open and close them. Their own types have type parameters for
 * modules and reply types that no common type fits.
 */
export interface OwnedRedis extends ConnectedRedis {
  readonly isReady: boolean
  connect (): Promise<unknown>
  close (): Promise<unknown>
  destroy (): unknown
}

/** From being connected until commands can be sent. */
const HANDSHAKE_MS = 500
/** The same where somebody is asked for the password. */
const ASKED_HANDSHAKE_MS = 10_000
/**
 * From an error while a connection begins. If the socket is gone, the client waits and tries again by itself within this time, and a second
 * one that does would leave a socket behind; if an answer could not be read, it waits for that for ever.
 */
const AFTER_ERROR_MS = 2500

/** A client that is kept connected until `closed`. Faults are told to `onFault` and never thrown. */
export class KeptConnection {
  readonly #client: OwnedRedis
  readonly #closed: AbortSignal
  readonly onFault: (fault: unknown) => void
  #isConnecting = false
  #handshake: ReturnType<typeof timer> | undefined

  constructor (client: OwnedRedis, { closed, onFault }: { closed: AbortSignal, onFault: (fault: unknown) => void }) {
    this.#client = client
    this.#closed = closed
    this.onFault = onFault
    if (!isSingle(client)) return
    this.#limitHandshakes()
    // A connection that was lost is not ready any more. On this one something came that cannot be read, so what comes next may belong to anything.
    client.on('error', () => { this.renew().catch(onFault) })
  }

  /** Resolves when it is connected for the first time. A single client keeps trying by itself; others give up when no server answers, and are asked again. */
  async connect (): Promise<void> {
    this.#isConnecting = true
    try {
      for (let retries = 0; !this.#closed.aborted; retries++) {
        try {
          await this.#client.connect()
          return
        } catch (fault) {
          if (this.#closed.aborted) return
          this.onFault(fault)
          await backOff(retries, this.#closed)
        }
      }
    } finally {
      this.#isConnecting = false
      if (this.#closed.aborted) await destroy(this.#client) // a Cluster that was being connected has opened more since it was destroyed
    }
  }

  /** Gives the connection up, if there is one, and makes another one. One that is being opened has time limits. */
  async renew (): Promise<void> {
    if (this.#closed.aborted || !this.#client.isReady) return
    this.onFault(new Error('nothing, or something wrong, came back on the connection to Redis: it is made anew'))
    await this.#again()
  }

  /**
   * node-redis limits how long a socket is being opened, and not how long nothing comes back of what it says first. A reconnect through a
   * network that loses answers would hang for ever.
   */
  #limitHandshakes (): void {
    const ms = isAsked(this.#client) ? ASKED_HANDSHAKE_MS : HANDSHAKE_MS
    const clear = (): void => {
      this.#handshake?.clear()
      this.#handshake = undefined
    }
    const giveUp = async (): Promise<void> => {
      if (this.#closed.aborted || this.#client.isReady) return
      this.onFault(new Error(`Redis accepted a connection and said nothing for ${ms} ms: it is made anew`))
      await this.#again()
    }
    const limit = (ms: number): void => {
      clear()
      this.#handshake = timer(ms, () => { giveUp().catch(this.onFault) })
      this.#handshake.unref()
    }
    this.#client.on('connect', () => { limit(ms) })
    this.#client.on('ready', clear)
    this.#client.on('reconnecting', clear)
    this.#client.on('error', () => { if (this.#handshake !== undefined) limit(AFTER_ERROR_MS) })
    this.#closed.addEventListener('abort', clear, { once: true })
  }

  async #again (): Promise<void> {
    await destroyNow(this.#client)
    await nextTurn() // who is connecting it hears of it, and tries again
    if (!this.#isConnecting) await this.connect()
  }
}

/** Neither a Cluster, which is watched, nor a Sentinel, which tells of another master. */
export function isSingle (client: ConnectedRedis): boolean {
  return client.nodeClient === undefined && client.acquire === undefined
}

/** node-redis makes a provider of a password that it was given; that one need not ask anybody. */
function isAsked ({ options }: ConnectedRedis): boolean {
  return options?.credentialsProvider !== undefined && options.username === undefined && options.password === undefined
}

interface Destroyable {
  destroy (): unknown
  on (event: 'connect', listener: () => void): unknown
  /** Of clusters. */
  readonly masters?: ReadonlyArray<{ readonly client?: Destroyable }>
}

/**
 * Ends a client whatever its state is; one that is closed already says so with an error. A socket that is being opened at the moment
 * is not ended by node-redis, so that is done when it is open.
 */
export async function destroy (client: Destroyable): Promise<void> {
  for (const one of [client, ...client.masters?.flatMap((node) => node.client ?? []) ?? []]) one.on('connect', () => { void destroyNow(one) })
  await destroyNow(client)
}

async function destroyNow (client: Destroyable): Promise<void> {
  try {
    await client.destroy()
  } catch (fault) {
    if ((fault as Error).name !== 'ClientClosedError' && (fault as Error).message !== 'The client is closed') throw fault
  }
}
