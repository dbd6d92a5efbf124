import { setMaxListeners } from 'node:events'
import { Fills } from '../fills/fills.ts'
import { NewKeys } from '../fills/new-keys.ts'
import { Rests } from '../fills/rests.ts'
import { UncacheableMemory } from '../fills/uncacheable.ts'
import type { Leases } from '../leases.ts'
import type { Limits } from '../options/limits.ts'
import type { PluginSettings } from '../options/resolve.ts'
import type { GuardedStore } from '../store/guarded-store.ts'
import type { HotTracker } from '../warming/hot-tracker.ts'
import type { HotHit } from './hot-hits.ts'

/** What the routes of one app share, so that each thing is made once, whichever route asks for it. */
export interface Sharing {
  readonly fills: Fills
  readonly uncacheable: UncacheableMemory
  readonly rests: Rests
  /** For each route its own: a scan of one leaves the others alone. */
  readonly newKeys: () => NewKeys
  readonly limits: Limits
  readonly leases: Leases
  /** Counts hits, where somebody wants to know. */
  readonly hot: HotTracker<HotHit> | undefined
  /** Hears of routes of which a response for one user said that it is for all. */
  readonly onPublic: (route: string) => void
  /** Runs in the background. */
  readonly behind: Set<Promise<void>>
  /** From 0 to 1, as `Math.random`. */
  readonly random: () => number
  /** Aborts when the app closes: nothing begins any more. */
  readonly closed: AbortSignal
  /** Aborts when the app waits no longer for what runs in the background. */
  readonly ended: AbortSignal
}

/** Made once for an app. */
export function sharingOf (store: GuardedStore, { clock, closed, ended, hot, limits, onPublic }: PluginSettings & Pick<Sharing, 'closed' | 'ended' | 'hot' | 'onPublic'>): Sharing {
  setMaxListeners(0, closed, ended) // one for each lease that is waited for, and for each run in the background
  // A clock of the system may go back; one that was passed in is that of a test.
  const newKeys = (): NewKeys => new NewKeys({ perSecond: limits.newKeysPerSecond, clock: clock === Date.now ? () => performance.now() : clock })
  return {
    fills: new Fills({ mostWaiters: limits.waiters }),
    uncacheable: new UncacheableMemory(clock),
    rests: new Rests(clock),
    newKeys,
    limits,
    leases: store.leases,
    behind: new Set(),
    random: Math.random,
    closed,
    ended,
    hot,
    onPublic
  }
}
