import { createClient, createClientPool } from 'redis'
import type { Test } from 'tap'
import type { FillStamp, Verdict } from '../../lib/marks/ledger.ts'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { RedisMarks } from '../../lib/store/redis-marks.ts'
import { useRedis, type RedisTestClient } from '../helpers/redis.ts'

export interface Command {
  readonly name: string
  readonly text: string
}

/** One process: its own connection, its own ledger, and a record of what it sends. */
export interface Process {
  readonly marks: RedisMarks
  readonly sent: Command[]
  /** Runs before the reply to a command of this name is given; used once. */
  after (name: string, what: () => Promise<unknown>): void
  fill (): FillStamp
  judge (filled: FillStamp, ...labels: string[]): Verdict
}

export interface Scene {
  readonly client: RedisTestClient
  readonly key: string
  readonly processes: Process[]
}

export async function scene (t: Test, count = 2, most?: number): Promise<Scene> {
  const { url, prefix, client } = await useRedis(t)
  const processes = await Promise.all(Array.from({ length: count }, () => startProcess(t, { url, prefix, ...(most === undefined ? {} : { most }) })))
  for (const { marks } of processes) await marks.refresh()
  return { client, key: `${prefix}:marks`, processes }
}

export async function startProcess (t: Test, { url, prefix, most, pool = false }: { url: string, prefix: string, most?: number, pool?: boolean }): Promise<Process> {
  const client = pool ? createClientPool({ url }, { minimum: 4, maximum: 4 }) : createClient({ url })
  await client.connect()
  t.teardown(() => client.close())
  const sent: Command[] = []
  const hooks = new Map<string, () => Promise<unknown>>()
  const recorded = new Proxy(client, {
    get (target, name) {
      const command = Reflect.get(target, name, target) as ((...args: unknown[]) => Promise<unknown>) | undefined
      if (typeof command !== 'function') return command
      return async (...args: unknown[]) => {
        sent.push({ name: String(name), text: JSON.stringify(args) })
        const reply = await command.apply(target, args)
        const hook = hooks.get(String(name))
        hooks.delete(String(name))
        await hook?.()
        return reply
      }
    }
  }) as unknown as ConnectedRedis
  const marks = new RedisMarks({ open: () => recorded, prefix, ...(most === undefined ? {} : { most }) })
  return {
    marks,
    sent,
    after: (name, what) => { hooks.set(name, what) },
    fill: () => marks.ledger.stamp!,
    judge: (filled, ...labels) => marks.ledger.verdict({ filled, labels }, { id: 'test:id' })
  }
}

/** A failover that loses what was written since: the set is as it was. */
export async function saved ({ client, key }: Scene): Promise<() => Promise<void>> {
  await client.copy(key, `${key}:copy`, { REPLACE: true })
  return async () => { await client.copy(`${key}:copy`, key, { REPLACE: true }) }
}

/** All processes look at the marks, twice: the first to see a loss puts back what it knows. */
export async function settle (processes: readonly Process[]): Promise<void> {
  for (let round = 0; round < 2; round++) for (const { marks } of processes) await marks.refresh()
}
