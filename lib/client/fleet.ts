import type { Logger } from '../logger.ts'
import { checkOptions, type Rules } from '../options/check.ts'
import type { CacheSettings } from '../options/resolve.ts'
import { LocalFleetLog, type FleetLog } from '../stats/fleet-log.ts'
import { FLEET_TIMES, readFleetStats, type FleetStats, type FleetTime } from '../stats/fleet-stats.ts'
import { Flusher, type ProcessCounts } from '../stats/flusher.ts'
import type { GuardedStore } from '../store/guarded-store.ts'
import { isRefusal } from '../store/redis-subscription.ts'

/** Options of `stats` for all processes. */
export interface FleetStatsOptions {
  fleet: true
  /** Which time: `'1h'` or `'24h'`. Default `'1h'`. */
  last?: FleetTime | undefined
}

const RULES: Rules<FleetStatsOptions> = {
  fleet: { expected: 'true; without options the numbers are those of this process', accepts: (value) => value === true },
  last: { expected: FLEET_TIMES.map((time) => `'${time}'`).join(' or '), accepts: (value) => FLEET_TIMES.some((time) => time === value) }
}

/** The numbers of all processes, and what tells them those of this one. */
export class Fleet {
  readonly #log: FleetLog
  readonly #flusher: Flusher

  constructor (store: GuardedStore, settings: CacheSettings, counts: () => ProcessCounts) {
    this.#log = settings.enabled ? store.fleet : new LocalFleetLog(settings)
    this.#flusher = new Flusher({ log: this.#log, counts, onFailing: (fault) => { if (isAsked(store)) untold(settings.logger, fault) } })
  }

  /** From now on the numbers of this process are told, every few seconds. */
  start (): void {
    this.#flusher.start()
  }

  async stats (options: FleetStatsOptions): Promise<FleetStats> {
    checkOptions<FleetStatsOptions>(options, RULES, 'the options of stats()')
    return await readFleetStats(this.#log, { last: options.last ?? '1h', flush: () => this.#flusher.flush() })
  }

  /** Tells the rest. Never rejects. */
  async close (): Promise<void> {
    await this.#flusher.close()
  }
}

/** Whether the store does what else it is asked. */
function isAsked (store: GuardedStore): boolean {
  const { read, write } = store.stats()
  return read === 'closed' && write === 'closed'
}

/** That the store is away is said already; that it refuses this, nobody else says. */
function untold (logger: Logger, fault: unknown): void {
  if (isRefusal(fault)) logger.warn({ err: fault, cache: { state: 'stats-error' } }, 'cache cannot tell its numbers: the statistics of all processes lack those of this one')
}
