import type { Test } from 'tap'
import { createClient } from 'redis'
import { createCache, type Advice, type CacheOptions } from '../../lib/index.ts'

/** Deadlines that a busy machine does not reach. */
export const PATIENT = { read: '5s', write: '5s' }

export interface Line {
  readonly level: 'info' | 'warn'
  readonly advice: string | undefined
  readonly docs: string | undefined
  readonly message: string
}

/** A logger that keeps its lines. */
export function recorder (lines: Line[]) {
  const log = (level: Line['level']) => (details: object, message: string): void => {
    const { advice, docs } = (details as { cache?: { advice?: string, docs?: string } }).cache ?? {}
    lines.push({ level, advice, docs, message })
  }
  return { info: log('info'), warn: log('warn') }
}

/** What a cache with these options says when it is connected. */
export async function adviceOf (t: Test, options: CacheOptions): Promise<Advice[]> {
  const cache = createCache({ timeouts: PATIENT, ...options })
  t.teardown(() => cache.close())
  await cache.connect()
  return await cache.advice()
}

export function wordsOf (advice: readonly Advice[]): string[] {
  return advice.map(({ word }) => word).sort()
}

export async function adminOf (t: Test, url: string) {
  const client = createClient({ url })
  await client.connect()
  t.teardown(() => { client.destroy() })
  return client
}
