import { createClient } from 'redis'

/** Settles when a Redis answers at this address; fails after `timeoutMs` with the last cause. */
export async function answers (url: string, timeoutMs = 10_000): Promise<void> {
  const giveUpAt = Date.now() + timeoutMs
  const client = createClient({
    url,
    socket: {
      connectTimeout: timeoutMs,
      reconnectStrategy: (_retries, cause) => Date.now() < giveUpAt ? 50 : cause
    }
  })
  client.on('error', () => {}) // each failed attempt; the last one is thrown below
  try {
    await client.connect()
    await client.ping()
  } finally {
    client.destroy()
  }
}
