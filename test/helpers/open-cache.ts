import type { Test } from 'tap'
import { createCache, type Cache, type CacheOptions } from '../../lib/index.ts'

/** A cache that is connected, and closed when `t` ends. */
export async function openCache (t: Test, options: CacheOptions = {}): Promise<Cache> {
  const cache = createCache(options)
  t.teardown(() => cache.close())
  await cache.connect()
  return cache
}
