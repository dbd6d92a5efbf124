import type { Lease, LeaseAnswer } from '../leases.ts'

const OUTCOMES: ReadonlySet<unknown> = new Set(['granted', 'ended', 'held', 'resting'])

const HOWS: ReadonlySet<unknown> = new Set(['stored', 'uncacheable', 'failed'])

/** An answer of a store that is not trusted, with a lease whose end never rejects. Throws on what is none. */
export function checkedAnswer (answer: LeaseAnswer): LeaseAnswer {
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
