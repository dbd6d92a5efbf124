import { crc32 } from 'node:zlib'
import { RESP_TYPES } from 'redis'
import type { Test } from 'tap'
import type { Integrity } from '../../lib/store/integrity.ts'
import { RedisStore, type Damage } from '../../lib/store/redis-store.ts'
import type { StoreKey } from '../../lib/store/store.ts'
import type { Entry, StoredResponse, StoredValue, StoredVariants } from '../../lib/stored-entry.ts'
import { useRedis, type TestRedis } from '../helpers/redis.ts'

/** A store as one process has it. */
export interface Reader {
  readonly store: RedisStore
  /** What it has found since this was emptied. */
  readonly damaged: Damage[]
}

export interface Scene extends TestRedis {
  /** Another process. */
  open (integrity?: Integrity): Promise<Reader>
  /** What is under a key, as bytes. */
  bytes (key: StoreKey): Promise<Buffer>
  put (key: StoreKey, bytes: Buffer): Promise<unknown>
  name (key: StoreKey): string
}

export async function openScene (t: Test): Promise<Scene> {
  const redis = await useRedis(t)
  const reader = redis.client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
  const name = ({ id }: StoreKey): string => `${redis.prefix}:${id}`
  return {
    ...redis,
    name,
    bytes: async (key) => (await reader.get(name(key)))!,
    put: async (key, bytes) => await redis.client.set(name(key), bytes, { expiration: { type: 'PX', value: ONE_MINUTE } }),
    async open (integrity) {
      const damaged: Damage[] = []
      const store = new RedisStore({ redis: redis.url, prefix: redis.prefix, commandMs: 10_000, onFault: (fault) => t.comment(fault), integrity, onDamaged: (what) => { damaged.push(what) } })
      t.teardown(() => store.close())
      await store.connect()
      return { store, damaged }
    }
  }
}

export const ONE_MINUTE = 60_000
const T = 1_700_000_000_000
export const FILLED = { incarnation: '-7', stamp: 1_700_000_000_000_000 }

export function keyOf (name: string): StoreKey {
  return { id: `test:GET:/${name}:hash`, text: `text of ${name}` }
}

export function response (key: StoreKey, own: Partial<StoredResponse> = {}): StoredResponse {
  return {
    kind: 'response', key: key.text, storedAt: T, staleAt: T + ONE_MINUTE, ageMs: 0, costMs: 5, isValidatable: false, filled: FILLED, labels: ['n:test'], status: 200, headers: [['content-type', 'text/plain']], removed: [], vary: [], whileRevalidateMs: 0, ifErrorMs: 0, body: Buffer.from('a body'), ...own
  }
}

export function value (key: StoreKey, own: Partial<StoredValue> = {}): StoredValue {
  return { kind: 'value', key: key.text, storedAt: T, filled: FILLED, labels: ['n:test'], encoding: 'bytes', origin: 'set', body: Buffer.from('a value'), ...own }
}

export function variants (key: StoreKey, own: Partial<StoredVariants> = {}): StoredVariants {
  return { kind: 'variants', key: key.text, storedAt: T, filled: FILLED, labels: [], names: ['accept'], digests: ['d'], until: T + ONE_MINUTE, costMs: 0, body: Buffer.alloc(0), ...own }
}

/** An entry that nothing undamaged of the same key would have to make way for. */
export function older (entry: Entry): Entry {
  const filled = { ...entry.filled, stamp: 1 }
  return entry.kind === 'value' ? { ...entry, filled, origin: 'produced' } : { ...entry, filled }
}

/** A frame with a right checksum around whatever is said in it. */
export function framed (header: string | Buffer, body = Buffer.from('a body'), { version = 4, headerLength, bodyLength = body.length }: { version?: number, headerLength?: number, bodyLength?: number } = {}): Buffer {
  const bytes = Buffer.from(header)
  const frame = Buffer.concat([Buffer.alloc(16), bytes, body])
  frame.write('FRC', 'latin1')
  frame[3] = version
  frame.writeUInt32BE(headerLength ?? bytes.length, 8)
  frame.writeUInt32BE(bodyLength, 12)
  frame.writeUInt32BE(crc32(frame.subarray(8)), 4)
  return frame
}

export function jsonOf (entry: object, changes: object = {}): string {
  return JSON.stringify({ ...entry, body: undefined, ...changes })
}
