import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createClient } from 'redis'
import { encodeEntry, type Cache } from '../../lib/index.ts'
import { namespaceLabel, tagLabel } from '../../lib/marks/labels.ts'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { RedisMarks } from '../../lib/store/redis-marks.ts'

/** A client for what the measurements themselves need. */
export type Admin = ReturnType<typeof adminOf>

export function adminOf (url: string) {
  return createClient({ url })
}

const AT_ONCE = 1000

/** Puts values under `<prefix>:<namespace>:<number>`, in the form in which the client stores them, but without a time to live. */
export async function fillNamespace (admin: Admin, { prefix, namespace, count, marks }: { prefix: string, namespace: string, count: number, marks: RedisMarks }): Promise<void> {
  await marks.refresh()
  const filled = marks.ledger.stamp!
  const body = Buffer.from('small')
  for (let from = 0; from < count; from += AT_ONCE) {
    const pairs: Array<string | Buffer> = []
    for (let i = from; i < Math.min(count, from + AT_ONCE); i++) {
      const key = `${namespace}:${i}`
      pairs.push(`${prefix}:${key}`, encodeEntry({ kind: 'value', key, storedAt: Date.now(), filled, labels: [namespaceLabel(namespace)], origin: 'set', encoding: 'bytes', body }))
    }
    await admin.sendCommand(['MSET', ...pairs])
  }
}

/** The times of `invalidateNamespace` in milliseconds, for each namespace in turn. */
export async function timeInvalidations (cache: Cache, namespaces: readonly string[], rounds: number): Promise<number[][]> {
  const times: number[][] = namespaces.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [at, namespace] of namespaces.entries()) {
      const beganAt = performance.now()
      await cache.invalidateNamespace(namespace)
      times[at]!.push(performance.now() - beganAt)
    }
  }
  return times
}

/** Begins to count commands and to note those that take longer than a millisecond. */
export async function watchCommands (admin: Admin): Promise<void> {
  await admin.sendCommand(['CONFIG', 'SET', 'slowlog-log-slower-than', '1000', 'slowlog-max-len', '100000'])
  await admin.sendCommand(['SLOWLOG', 'RESET'])
  await admin.sendCommand(['CONFIG', 'RESETSTAT'])
}

export interface Watched {
  /** By name, without those of the measurement. */
  readonly calls: Readonly<Record<string, number>>
  readonly meanMicros: Readonly<Record<string, number>>
  /** The longest ones, longest first. */
  readonly slow: ReadonlyArray<{ readonly micros: number, readonly command: string }>
}

/** What was sent since. The times are those of the clock: they include what another program had of the core. */
export async function commandsSince (admin: Admin): Promise<Watched> {
  const stats = String(await admin.sendCommand(['INFO', 'commandstats']))
  const calls: Record<string, number> = {}
  const meanMicros: Record<string, number> = {}
  for (const [, name, count, , mean] of stats.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+),usec_per_call=([\d.]+)/gm)) {
    if (/^(?:info|config|slowlog|hello|client|auth|select|ping)/.test(name!)) continue
    calls[name!] = Number(count)
    meanMicros[name!] = Number(mean)
  }
  const log = await admin.sendCommand(['SLOWLOG', 'GET', '-1']) as unknown as Array<[number, number, number, string[]]>
  const slow = log.map(([, , micros, words]) => ({ micros, command: words[0]!.toLowerCase() })).sort((a, b) => b.micros - a.micros)
  return { calls, meanMicros, slow }
}

export interface MarksCost {
  readonly marks: number
  readonly redisBytes: number
  readonly heapBytes: number
}

/** What so many marks of tags such as `user:12345` take, in Redis and in a process that knows them. */
export async function marksCost (admin: Admin, { prefix, marks, count }: { prefix: string, marks: RedisMarks, count: number }): Promise<MarksCost> {
  await marks.refresh()
  const [redisBefore, heapBefore] = [await bytesOf(admin, prefix), heapBytes()]
  await marks.mark('hard', tags(count))
  const known = marks.ledger.size
  return { marks: known, redisBytes: await bytesOf(admin, prefix) - redisBefore, heapBytes: heapBytes() - heapBefore }
}

/** What changes of values in all buckets take. */
export async function changesCost (admin: Admin, { prefix, marks, count }: { prefix: string, marks: RedisMarks, count: number }): Promise<MarksCost> {
  await marks.keepCopies()
  const [before, redisBefore, heapBefore] = [marks.ledger.size, await bytesOf(admin, prefix), heapBytes()]
  await marks.changed(Array.from({ length: count }, (_, i) => `user:${i}:profile`))
  return { marks: marks.ledger.size - before, redisBytes: await bytesOf(admin, prefix) - redisBefore, heapBytes: heapBytes() - heapBefore }
}

export function marksOf (client: Admin, prefix: string): RedisMarks {
  return new RedisMarks({ open: () => client as unknown as ConnectedRedis, prefix })
}

/** Ten characters each, as far as there are so many. */
export function tags (count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => tagLabel(`user:${String(from + i).padStart(5, '0')}`))
}

async function bytesOf (admin: Admin, prefix: string): Promise<number> {
  return Number(await admin.sendCommand(['MEMORY', 'USAGE', `${prefix}:marks`, 'SAMPLES', '0']))
}

export function heapBytes (): number {
  collect()
  return process.memoryUsage().heapUsed
}

/** A full collection. */
export function collect (): void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  gc()
}
