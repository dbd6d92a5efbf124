import type { Parameters } from 'fast-check'

/*
 * Properties are checked for arbitrary inputs. `PROPERTY_RUNS=20` checks twenty times as many as the short form, and `SEED`, which a
 * failure tells, makes the same ones again.
 */

const { PROPERTY_RUNS = '1', SEED } = process.env

/** How often a property is checked, which the short form does `short` times. */
export function runsOf (short: number): number {
  return Math.max(1, Math.round(short * Number(PROPERTY_RUNS)))
}

/** The parameters of a property. A failure is reported with its seed and the smallest input that fails. */
export function runs<T> (short: number): Parameters<T> {
  return { numRuns: runsOf(short), ...SEED === undefined ? {} : { seed: Number(SEED) } }
}

/** The seed of what is not made by fast-check. */
export function seedOf (usual: number): number {
  return Number(SEED ?? usual)
}
