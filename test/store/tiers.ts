import { createClient } from 'redis'
import type { Test } from 'tap'
import { MemoryStore } from '../../lib/store/memory-store.ts'
import type { RedisOption } from '../../lib/store/redis-client.ts'
import { RedisStore } from '../../lib/store/redis-store.ts'
import type { StoreKey } from '../../lib/store/store.ts'
import { TieredStore } from '../../lib/store/tiered-store.ts'
import type { Entry, StoredResponse } from '../../lib/stored-entry.ts'
import { until } from '../helpers/until.ts'

export interface Line {
  readonly level: 'info' | 'warn'
  readonly state: unknown
  readonly message: string
}

/** A store as one process has it. */
export interface Tier {
  readonly store: TieredStore
  readonly near: MemoryStore
  readonly lines: Line[]
  readonly faults: unknown[]
}

export interface TierOptions {
  readonly redis: RedisOption
  readonly prefix: string
  readonly maxBytes?: number
  readonly maxBlindMs?: number
  readonly clock?: () => number
}

const ONE_MINUTE = 60_000

/** Not connected yet. By default it is never blind for long enough to ask by itself, so that what it knows it has heard. */
export function openTier (t: Test, { redis, prefix, maxBytes = 1_000_000, maxBlindMs = 10 * ONE_MINUTE, clock = Date.now }: TierOptions): Tier {
  const lines: Line[] = []
  const faults: unknown[] = []
  const near = new MemoryStore({ maxBytes, clock })
  const onFault = (fault: unknown): void => { faults.push(fault) }
  const far = new RedisStore({ redis, prefix, commandMs: 1000, onFault })
  const store = new TieredStore({ near, far, maxBytes, maxBlindMs, clock, monotonic: clock, logger: recorder(lines), onFault })
  t.teardown(() => store.close())
  return { store, near, lines, faults }
}

/** Connected, listening, and up to date. */
export async function startTier (t: Test, options: TierOptions): Promise<Tier> {
  const tier = openTier(t, options)
  await tier.store.connect()
  await until(() => isListening(tier) && tier.store.marks.blindMs < Infinity)
  return tier
}

export function isListening ({ lines }: { lines: readonly Line[] }): boolean {
  return lines.findLast(({ state }) => state === 'listening' || state === 'deaf')?.state === 'listening'
}

export function recorder (lines: Line[]) {
  const log = (level: Line['level']) => (details: unknown, message?: string): void => {
    lines.push({ level, state: (details as { cache?: { state?: unknown } }).cache?.state, message: String(message) })
  }
  return { info: log('info'), warn: log('warn') }
}

export function keyOf (name: string): StoreKey {
  return { id: `test:GET:/${name}:hash`, text: `key material of ${name}` }
}

/** A response that is filled now, as far as this process knows. */
export function responseOf ({ store }: Tier, key: StoreKey, own: Partial<StoredResponse> = {}): StoredResponse {
  const storedAt = Date.now()
  return {
    kind: 'response', key: key.text, storedAt, staleAt: storedAt + ONE_MINUTE, ageMs: 0, isValidatable: false, filled: store.marks.ledger.stamp!, labels: ['t:label'], status: 200, headers: [], removed: [], vary: [], costMs: 1, whileRevalidateMs: 0, ifErrorMs: 0, body: Buffer.from('body'), ...own
  }
}

/** Stores a response and asks for it until there is a copy. */
export async function warm (tier: Tier, name: string, own: Partial<StoredResponse> = {}): Promise<StoreKey> {
  const key = keyOf(name)
  const entry = responseOf(tier, key, own)
  await tier.store.set(key, entry, Math.max(1, entry.staleAt - entry.storedAt))
  // An answer to an earlier question may come late and take the place of the copy.
  await until(async () => await tier.store.get(key) !== undefined && atOnce(tier, key) !== undefined)
  return key
}

/** What the store gives without a promise: a copy; `undefined` when it has to ask Redis. */
export function atOnce ({ store }: Tier, key: StoreKey): Entry | undefined {
  const found = store.get(key)
  if (!(found instanceof Promise)) return found
  found.catch(() => {}) // nobody waits for it
  return undefined
}

/** Which commands, as Redis sees them, have to do with a prefix. Those inside of scripts are left out. */
export class Observer {
  readonly #client: ReturnType<typeof clientOf>
  readonly #marker: ReturnType<typeof clientOf>
  readonly #prefix: string
  readonly #seen: string[] = []

  static async start (t: Test, { url, prefix }: { url: string, prefix: string }): Promise<Observer> {
    const observer = new Observer(url, prefix)
    await Promise.all([observer.#client.connect(), observer.#marker.connect()])
    t.teardown(() => { observer.#client.destroy(); observer.#marker.destroy() })
    await observer.#client.monitor((line) => { observer.#seen.push(String(line)) })
    return observer
  }

  private constructor (url: string, prefix: string) {
    this.#client = clientOf(url)
    this.#marker = clientOf(url)
    this.#prefix = prefix
  }

  /** The names of the commands that were sent while this ran, in upper case. */
  async during (task: () => unknown): Promise<string[]> {
    await this.#mark()
    const from = this.#seen.length
    await task()
    await new Promise((resolve) => { setImmediate(() => { setImmediate(resolve) }) }) // what was planned for the end of this turn
    await this.#mark()
    return this.#seen.slice(from)
      .filter((line) => line.includes(this.#prefix) && !line.includes('MARKER') && !/^\S+ \[\d+ lua\]/.test(line))
      .map((line) => /\] "(\w+)"/.exec(line)![1]!.toUpperCase())
  }

  /** Redis tells of commands in the order in which it runs them. */
  async #mark (): Promise<void> {
    const marker = `MARKER ${Math.random()}`
    await this.#marker.echo(marker)
    await until(() => this.#seen.some((line) => line.includes(marker)))
  }
}

function clientOf (url: string) {
  return createClient({ url }).on('error', () => {})
}
