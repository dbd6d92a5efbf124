import { backOff } from '../backoff.ts'
import type { ConnectedRedis } from './redis-client.ts'
import { destroy, KeptConnection, type OwnedRedis } from './kept-connection.ts'
import { withoutArguments } from './told-fault.ts'
import { echoes, SilenceWatch } from './silence.ts'

const ASKED_EVERY_MS = 2000

export interface Listener {
  onMessage (text: string): void
  /** From now on every message is heard. May be called again after a reconnect that `onDown` did not tell of. */
  onUp (): void
  /** Messages may be missed. */
  onDown (fault: unknown): void
}

/** Redis has answered that it will not: an ACL lacks the command or the channel, or there is no such command here. */
export function isRefusal (fault: unknown): boolean {
  return fault instanceof Error && /^(?:NOPERM|ERR) /.test(fault.message)
}

export interface Listening {
  readonly listener: Listener
  readonly closed: AbortSignal
  /** Gets what makes a connection of its own anew. */
  readonly renewals?: Set<() => Promise<void>>
}

/**
 * Listens to a channel until `closed`. A single client gets a second connection for it, and tells when that breaks. Clusters and
 * Sentinels have such a connection themselves and do not tell: who listens there notices a gap by other means.
 */
export async function listen (client: ConnectedRedis, channel: string, { listener, closed, renewals }: Listening): Promise<void> {
  const onMessage = (message: unknown): void => { listener.onMessage(String(message)) }
  const onDown = (fault: unknown): void => { if (!closed.aborted) listener.onDown(withoutArguments(fault)) }
  const own = await ownConnectionAtLast(client, { onDown, closed })
  if (own === undefined) return await subscribeAtLast(client, channel, { onMessage, listener, closed })
  if (closed.aborted) return // while the connection was asked for: nothing would end it
  own.on('error', onDown)
  own.on('reconnecting', () => { onDown(new Error('the connection was lost')) })
  own.on('end', () => { onDown(new Error('the connection has ended')) })
  const kept = new KeptConnection(own, { closed, onFault: onDown })
  const subscribe = async (): Promise<void> => {
    try {
      await own.subscribe!(channel, onMessage)
      listener.onUp()
    } catch (fault) {
      onDown(fault)
      if (isRefusal(fault)) return
      await backOff(0, closed)
      await kept.renew() // a connection that does not hear would stay as it is
    }
  }
  own.on('ready', () => { subscribe().catch(onDown) })
  closed.addEventListener('abort', () => { destroy(own).catch(listener.onDown) }, { once: true })
  renewals?.add(() => kept.renew())
  watchListening(own, kept, closed)
  await kept.connect()
}

/** Nothing is asked on this connection, so that nobody else would notice that nothing comes any more. It also keeps the connection from being idle. */
function watchListening (own: OwnedRedis, kept: KeptConnection, closed: AbortSignal): void {
  const silence = new SilenceWatch({ ask: () => echoes(own), renew: () => kept.renew(), onFault: kept.onFault })
  const interval = setInterval(() => { silence.suspect() }, ASKED_EVERY_MS).unref()
  closed.addEventListener('abort', () => { clearInterval(interval) }, { once: true })
}

/** A pool that its owner has not connected yet lends nothing. */
async function ownConnectionAtLast (client: ConnectedRedis, { onDown, closed }: { onDown: (fault: unknown) => void, closed: AbortSignal }): Promise<OwnedRedis | undefined> {
  for (let retries = 0; !closed.aborted; retries++) {
    try {
      return await ownConnection(client)
    } catch (fault) {
      onDown(fault)
      await backOff(retries, closed)
    }
  }
}

/** A connection like that of a single client or pool, to be connected and ended by the caller; others have none. */
async function ownConnection (client: ConnectedRedis): Promise<OwnedRedis | undefined> {
  if (client.nodeClient !== undefined || client.acquire !== undefined) return undefined
  if (client.execute !== undefined) return await client.execute((one) => (one as ConnectedRedis).duplicate!()) as OwnedRedis
  return client.duplicate?.() as OwnedRedis | undefined
}

async function subscribeAtLast (
  client: ConnectedRedis, channel: string, { onMessage, listener, closed }: { onMessage: (message: unknown) => void, listener: Listener, closed: AbortSignal }
): Promise<void> {
  if (client.subscribe === undefined) return
  for (let retries = 0; !closed.aborted; retries++) {
    try {
      await client.subscribe(channel, onMessage)
      const unsubscribe = (): void => { client.unsubscribe?.(channel, onMessage).catch(listener.onDown) }
      if (closed.aborted) return unsubscribe()
      closed.addEventListener('abort', unsubscribe, { once: true })
      listener.onUp()
      return
    } catch (fault) {
      if (closed.aborted) return
      listener.onDown(fault)
      await backOff(retries, closed)
    }
  }
}
