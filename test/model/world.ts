import { generator } from '../marks/seeded.ts'
import { Oracle } from './oracle.ts'
import type { Fill } from './readers.ts'
import { endLife, startLife, type Life, type ProcessOptions } from './simulated-process.ts'
import { SimulatedRedis } from './simulated-redis.ts'
import { THINGS } from './things.ts'
import { VirtualTime } from './virtual-time.ts'
import type { Saying } from './writers.ts'

/**
 * What may happen besides reads and writes. Feed: connections for messages break, are silent or slow. Outages: also Redis restarts,
 * with or without what it had, and marks are evicted; processes pause and start again; clocks jump. Losses: also failovers and old
 * snapshots, which take confirmed writes away.
 */
export type Faults = 'none' | 'feed' | 'outages' | 'losses'

export interface Counts {
  reads: number
  /** Hits that were given without asking Redis. */
  memoryHits: number
  hits: number
  invalidations: number
  sets: number
  faults: number
}

/** One schedule: its time, its Redis, its database, its processes, and what was wrong. */
export class World {
  readonly time = new VirtualTime()
  readonly random: () => number
  readonly server: SimulatedRedis
  readonly oracle: Oracle
  readonly lives: Life[]
  readonly faults: Faults
  readonly counts: Counts = { reads: 0, memoryHits: 0, hits: 0, invalidations: 0, sets: 0, faults: 0 }
  readonly log: string[] | undefined
  readonly wrong: string[] = []
  readonly fills: Fill[] = []
  readonly said: Saying[] = []
  /** Messages that told of changed values. */
  changesTold = 0
  /** The database. */
  readonly versions: number[] = new Array<number>(THINGS).fill(1)
  readonly #locks: Array<Promise<void>> = new Array<Promise<void>>(THINGS).fill(Promise.resolve())

  constructor (seed: number, { faults, isLogged }: { faults: Faults, isLogged: boolean }) {
    this.random = generator(seed)
    this.faults = faults
    this.log = isLogged ? [] : undefined
    this.server = new SimulatedRedis({ now: () => 1_700_000_000_000_000 + this.time.now, keepsSnapshots: faults === 'losses' })
    this.oracle = new Oracle({ now: () => this.time.now, published: () => this.server.published })
    this.server.subscribers.add(({ text }) => { if (text.includes('"w')) this.changesTold++ })
    const most = this.chance(0.25) && faults !== 'none' ? this.integer(4, 12) : 100_000
    this.lives = Array.from({ length: this.integer(3, 4) }, (_, owner) => this.#start(owner, this.#options(most)))
  }

  #options (most: number): ProcessOptions {
    return {
      hasMemory: this.chance(0.7),
      maxBlindMs: this.pick([0, 20, 100, 1000, 5000]),
      most,
      isOrdered: this.chance(0.7),
      // Without faults no read takes too long, so that no entry goes unseen.
      mostMicros: this.pick(this.faults === 'none' ? [1_000, 3_000] : [2_000, 15_000, 120_000]),
      aheadMs: this.faults !== 'none' && this.chance(0.2) ? this.pick([-2000, 2000]) : 0
    }
  }

  #start (owner: number, options: ProcessOptions): Life {
    return startLife({ time: this.time, server: this.server, owner, random: this.random }, options)
  }

  /** The process ends, and another one with the same options begins. */
  restartProcess (owner: number): void {
    const old = this.lives[owner]!
    endLife(old)
    this.oracle.ended(old)
    this.lives[owner] = this.#start(owner, old.options)
  }

  chance (part: number): boolean {
    return this.random() < part
  }

  integer (from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1))
  }

  pick<T> (list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)]!
  }

  /** Microseconds: mostly few, so that things meet. */
  someTime (): number {
    return this.chance(0.7) ? this.random() * 3_000 : this.chance(0.8) ? this.random() * 40_000 : this.random() * 700_000
  }

  say (owner: number | 'world', text: () => string): void {
    this.log?.push(`${String(this.time.now).padStart(9)} ${owner} ${text()}`)
  }

  /** Writers of one thing come one after another, as with a lock in the database. */
  async locked (thing: number, run: () => Promise<void>): Promise<void> {
    const before = this.#locks[thing]!
    let free = (): void => {}
    this.#locks[thing] = new Promise((resolve) => { free = resolve })
    await before
    try {
      await run()
    } finally {
      free()
    }
  }
}
