import { backOff } from '../backoff.ts'
import type { ConnectedRedis } from './redis-client.ts'
import { connectAtLast, destroy, type OwnedRedis } from './redis-connection.ts'

export interface Listener {
  onMessage (text: string): void
  /** From now on every message is heard. May be called again after a reconnect that `onDown` did not tell of. */
  onUp (): void
  /** Messages may be missed. */
  onDown (fault: unknown): void
}

/**
 * Listens to a channel until `closed`. A single client gets a second connection for it, and tells when that breaks. Clusters and
 * Sentinels have such a connection themselves and do not tell: who listens there notices a gap by other means.
 */
export async function listen (client: ConnectedRedis, channel: string, { listener, closed }: { listener: Listener, closed: AbortSignal }): Promise<void> {
  const onMessage = (message: unknown): void => { listener.onMessage(String(message)) }
  const onDown = (fault: unknown): void => { if (!closed.aborted) listener.onDown(fault) }
  const own = await ownConnectionAtLast(client, { onDown, closed })
  if (own === undefined) return await subscribeAtLast(client, channel, { onMessage, listener, closed })
  own.on('error', onDown)
  own.on('reconnecting', () => { onDown(new Error('the connection was lost')) })
  own.on('end', () => { onDown(new Error('the connection has ended')) })
  own.on('ready', () => { own.subscribe!(channel, onMessage).then(() => { listener.onUp() }, onDown) })
  closed.addEventListener('abort', () => { destroy(own).catch(listener.onDown) }, { once: true })
  await connectAtLast(own, closed, onDown)
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
