/**
 * Redis for tests: always a real one.
 *
 * `REDIS_URL` if it is set (`npm test` sets it, so that all test files share one server), else redis-server or
 * valkey-server from the PATH, else a container, else installed with apt-get, else an error that says what to do.
 */
import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import tap, { type Test } from 'tap'
import { createClient } from 'redis'
import type { RedisServer, RedisServerOptions } from './redis-process.ts'
import { obtainRedis, startServer, startServers, type SharedRedis } from './redis-server.ts'

export type { RedisServer, RedisServerOptions } from './redis-process.ts'

/** A connected node-redis client with its defaults. */
export type RedisTestClient = ReturnType<typeof clientOf>

export interface TestRedis {
  url: string
  /** Belongs to this call alone; every key below it is removed when `t` ends. It has no glob characters. */
  prefix: string
  /** Connected; closed when `t` ends. */
  client: RedisTestClient
}

let shared: Promise<SharedRedis> | undefined

/** The shared server, with a prefix for the keys of this test. */
export async function useRedis (t: Test): Promise<TestRedis> {
  shared ??= obtainRedis().then((redis) => {
    tap.teardown(redis.dispose)
    return redis
  })
  const { url } = await shared
  const file = basename(process.argv[1] ?? 'test').replace(/\W.*$/, '')
  const prefix = `test-${file}-${randomUUID().slice(0, 8)}`
  const client = clientOf(url)
  await client.connect()
  t.teardown(async () => {
    await removeKeys(client, prefix)
    await client.close()
  })
  return { url, prefix, client }
}

/** A server that belongs to this test, which may stop, restart and freeze it. It ends with `t` at the latest. */
export async function startRedisServer (t: Test, options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startServer(options)
  t.teardown(server.dispose)
  return server
}

function clientOf (url: string) {
  return createClient({ url })
}

/** Several private servers that reach each other at the same addresses as the tests, as a Redis Cluster needs. */
export async function startRedisServers (t: Test, count: number, options: RedisServerOptions = {}): Promise<RedisServer[]> {
  const servers = await startServers(count, options)
  for (const server of servers) t.teardown(server.dispose)
  return servers
}

/** Removes the keys that contain the prefix: with a hash tag it is not at the start. */
async function removeKeys (client: RedisTestClient, prefix: string): Promise<void> {
  for await (const keys of client.scanIterator({ MATCH: `*${prefix}*`, COUNT: 1000 })) {
    if (keys.length > 0) await client.unlink(keys)
  }
}
