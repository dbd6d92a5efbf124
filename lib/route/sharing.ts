import type { Counters } from '../counters.ts'
import type { Fills } from '../fills/fills.ts'
import type { Rests } from '../fills/rests.ts'
import type { UncacheableMemory } from '../fills/uncacheable.ts'
import type { Leases } from '../leases.ts'
import type { HotTracker } from '../warming/hot-tracker.ts'
import type { HotHit } from './hot-hits.ts'

/** What the routes of one app share, so that each thing is made once, whichever route asks for it. */
export interface Sharing {
  readonly fills: Fills
  readonly uncacheable: UncacheableMemory
  readonly rests: Rests
  readonly leases: Leases
  readonly counters: Counters
  /** Counts hits, where somebody wants to know. */
  readonly hot: HotTracker<HotHit> | undefined
  /** Runs in the background. */
  readonly behind: Set<Promise<void>>
  /** From 0 to 1, as `Math.random`. */
  readonly random: () => number
  /** Aborts when the app closes: nothing begins any more. */
  readonly closed: AbortSignal
  /** Aborts when the app waits no longer for what runs in the background. */
  readonly ended: AbortSignal
}
