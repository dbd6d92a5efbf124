import { inTime, LONGEST_TIMER_MS } from '../deadline.ts'
import { LocalLeases, type Lease, type LeaseAnswer, type Leases } from '../leases.ts'
import { LEFT_ALONE, type StoreGuard } from './store-guard.ts'

const OUTCOMES: ReadonlySet<unknown> = new Set(['granted', 'ended', 'held', 'resting'])

const HOWS: ReadonlySet<unknown> = new Set(['stored', 'uncacheable', 'failed'])

/** Those of the store, or of this process where it has none. What fails is noted here. */
export function guardedLeases (shared: Leases | undefined, guard: StoreGuard, options: { readonly readMs: number, readonly writeMs: number, readonly clock: () => number }): Leases {
  const { readMs, writeMs } = options
  const leases = shared ?? new LocalLeases(options)
  return {
    async acquire (name, how) {
      const { reading, writing } = guard
      if (shared !== undefined && (reading.state !== 'closed' || writing.state !== 'closed')) throw new Error(LEFT_ALONE)
      try {
        // It bounds its wait itself, and each of its commands; a store of the user's may not.
        const answer = await inTime(Math.min(how.waitMs + readMs + writeMs, LONGEST_TIMER_MS), leases.acquire(name, how), { idle: true })
        // Leases of this process say nothing of the store.
        if (shared !== undefined) writing.answered()
        return checkedAnswer(answer)
      } catch (fault) {
        throw guard.writeFailed(fault)
      }
    }
  }
}

/** An answer of a store that is not trusted, with a lease whose end never rejects. Throws on what is none. */
function checkedAnswer (answer: LeaseAnswer): LeaseAnswer {
  if (!OUTCOMES.has(answer?.outcome)) throw new TypeError('the store gave back something else than an answer of leases.acquire: expected an outcome of granted, ended, held or resting')
  if (answer.outcome === 'ended' && !HOWS.has(answer.how)) throw new TypeError('the store gave back something else than an answer of leases.acquire: expected how to be stored, uncacheable or failed')
  if (answer.outcome !== 'granted') return answer
  const { lease } = answer
  const release: Lease['release'] = async (...how) => {
    try {
      await lease.release(...how)
    } catch { /* it ends by its time */ }
  }
  return { outcome: 'granted', lease: { get isLost () { return lease.isLost }, release } }
}
