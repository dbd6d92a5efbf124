import type { Test } from 'tap'
import { createClient } from 'redis'
import type { Lease, LeaseAnswer, LeaseOptions, Leases } from '../../lib/leases.ts'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { RedisLeases } from '../../lib/store/redis-leases.ts'

export interface LeaseScene {
  readonly leases: RedisLeases
  /** How often Redis was asked for something. */
  asked (): number
  close (): void
}

/** Leases as `RedisStore` makes them of a client. */
export function leasesOf (client: unknown, { prefix, commandMs = 5000 }: { prefix: string, commandMs?: number }): LeaseScene {
  const mapped = (client as ConnectedRedis).withTypeMapping({ 36: String, 44: Number }) as ConnectedRedis
  const closed = new AbortController()
  let asked = 0
  const open = (): ConnectedRedis => {
    asked++
    return mapped
  }
  return { leases: new RedisLeases({ prefix, open, commandMs, closed: closed.signal }), asked: () => asked, close: () => { closed.abort() } }
}

/** Those of one process, with a connection of its own. */
export async function openLeases (t: Test, { url, ...options }: { url: string, username?: string, password?: string, RESP?: 2 | 3, prefix: string, commandMs?: number }): Promise<LeaseScene> {
  const { prefix, commandMs, ...own } = options
  const client = createClient({ url, ...own, disableOfflineQueue: true })
  client.on('error', () => {}) // tests of a Redis that is away
  await client.connect()
  const scene = leasesOf(client, { prefix, ...(commandMs === undefined ? {} : { commandMs }) })
  t.teardown(() => {
    scene.close()
    client.destroy()
  })
  return scene
}

export async function granted (leases: Leases, name: string, options: Partial<LeaseOptions> = {}): Promise<Lease> {
  const answer = await leases.acquire(name, { leaseMs: 2000, waitMs: 0, ...options })
  if (answer.outcome !== 'granted') throw new Error(`expected a lease, got ${JSON.stringify(answer)}`)
  return answer.lease
}

/** Waits, and is known to wait when this resolves. */
export async function waiting ({ leases, asked }: LeaseScene, name: string, options: Partial<LeaseOptions> = {}): Promise<{ answer: Promise<LeaseAnswer> }> {
  const before = asked()
  const answer = leases.acquire(name, { leaseMs: 2000, waitMs: 20_000, ...options })
  answer.catch(() => {}) // those who ask for it hear of it
  while (asked() === before) await new Promise((resolve) => { setTimeout(resolve, 1) })
  await leases.acquire(name, { leaseMs: 2000, waitMs: 0 }) // the commands of one connection are answered in order
  return { answer }
}
