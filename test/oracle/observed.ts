import { AsyncLocalStorage } from 'node:async_hooks'
import { GuardedStore, UNAVAILABLE } from '../../lib/store/guarded-store.ts'
import { RedisMarks } from '../../lib/store/redis-marks.ts'
import { RedisStore } from '../../lib/store/redis-store.ts'
import { TieredStore } from '../../lib/store/tiered-store.ts'
import { now, SOURCE } from './settings.ts'

/** What is seen of the cache while one request or one write is under way. */
export interface Observed {
  /** When a copy in memory was taken without a word from Redis. */
  copiedAt: number
  /** Redis did not answer. */
  isAway: boolean
  /** The cache has logged that it could not invalidate. */
  failed: boolean
}

const storage = new AsyncLocalStorage<Observed>()

export async function observed<T> (run: () => PromiseLike<T>): Promise<{ result: T, seen: Observed }> {
  const seen: Observed = { copiedAt: 0, isAway: false, failed: false }
  // What `inject` gives begins only when it is waited for.
  return { result: await storage.run(seen, async () => await run()), seen }
}

/**
 * Notes which hits are copies that Redis was not asked about: those that the store gives at once, and those that it gives after
 * Redis did not answer, or while it is left alone.
 */
export function observeCopies (): void {
  const { get } = TieredStore.prototype
  TieredStore.prototype.get = function (key) {
    const at = now()
    const found = get.call(this, key)
    if (found instanceof Promise) return found.catch(away)
    note(at)
    return found
  }
  const { getCopy } = TieredStore.prototype
  TieredStore.prototype.getCopy = function (key) {
    const found = getCopy.call(this, key)
    const seen = storage.getStore()
    if (found !== undefined && seen !== undefined) {
      seen.isAway = false
      seen.copiedAt = now()
    }
    return found
  }
  const { get: getGuarded } = GuardedStore.prototype
  GuardedStore.prototype.get = function (key) {
    const found = getGuarded.call(this, key)
    if (found === UNAVAILABLE) note(0, true) // Redis is left alone: nobody has asked it
    return found
  }
  const { refresh } = RedisMarks.prototype
  RedisMarks.prototype.refresh = function () {
    const refreshed = refresh.call(this)
    return refreshed.catch((fault: unknown) => {
      note(now()) // if a hit comes of it, then from memory
      throw fault
    })
  }
  const { get: getFar } = RedisStore.prototype
  RedisStore.prototype.get = function (key) {
    return getFar.call(this, key).then((entry) => {
      note(0)
      return entry
    }, away)
  }
}

function away (fault: unknown): never {
  note(0, true)
  throw fault
}

function note (copiedAt: number, isAway = false): void {
  const seen = storage.getStore()
  if (seen === undefined) return
  seen.isAway ||= isAway
  seen.copiedAt = seen.isAway ? 0 : copiedAt
}

export function sourceOf (seen: Observed): number {
  if (seen.copiedAt !== 0) return SOURCE.memory
  return seen.isAway ? SOURCE.producer : SOURCE.redis
}

function ignore (): void {}

/** A route that could not invalidate what it changed answers nevertheless, and says so in the log. */
export const observingLogger = {
  level: 'error',
  info: failIfNotConfirmed,
  warn: ignore,
  debug: ignore,
  trace: ignore,
  silent: ignore,
  error: fail,
  fatal: fail,
  child () { return this }
}

/** A write whose invalidation waits is answered, and acknowledges nothing. */
function failIfNotConfirmed (_details: unknown, message?: string): void {
  if (message?.startsWith('what this request changed is not confirmed') === true) fail()
}

function fail (): void {
  const seen = storage.getStore()
  if (seen !== undefined) seen.failed = true
}
