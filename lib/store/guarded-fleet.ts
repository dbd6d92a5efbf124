import type { FleetLog } from '../stats/fleet-log.ts'
import { LEFT_ALONE, type StoreGuard } from './store-guard.ts'

/** Leaves a store alone that keeps failing, as everything does. Its own faults say nothing of entries, and are not noted. */
export function guardedFleet (fleet: FleetLog, guard: StoreGuard): FleetLog {
  const guarded = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (guard.reading.state !== 'closed' || guard.writing.state !== 'closed') throw new Error(LEFT_ALONE)
    try {
      return await ask()
    } catch (fault) {
      throw guard.reasonOf(fault)
    }
  }
  return {
    mostLabels: fleet.mostLabels,
    now: () => guarded(() => fleet.now()),
    add: (bucket, told) => guarded(() => fleet.add(bucket, told)),
    read: (bucket) => guarded(() => fleet.read(bucket))
  }
}
