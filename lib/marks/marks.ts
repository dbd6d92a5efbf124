import { MarkLedger, type Mark, type MarkKind } from './ledger.ts'

/** Sets marks and keeps a ledger of them. */
export interface Marks {
  readonly ledger: MarkLedger
  /**
   * Marks labels. When it has resolved, the ledger has the marks, and so has every other process's before its next `refresh`
   * resolves. Rejects when the marks are not confirmed.
   */
  mark (kind: MarkKind, labels: readonly string[]): void | Promise<void>
  /** Says that values were set or removed: copies of them that a process keeps are not used any longer. Resolves and rejects like `mark`. */
  changed (ids: readonly string[]): void | Promise<void>
  /** Brings the ledger up to date with all marks that were confirmed before the call. Rejects when it cannot. */
  refresh (): void | Promise<void>
}

/** More marks than this, and the oldest raise the floor. About 104 bytes each in Redis. */
export const MOST_MARKS = 100_000
/** This part of them at once: not with every mark, and not so many that anyone waits for it. */
export const DROPPED_AT_ONCE = 0.01

/** Marks of this process alone, for a store that only this process uses. */
export class LocalMarks implements Marks {
  readonly ledger: MarkLedger
  readonly #now: () => number
  readonly #most: number

  constructor ({ clock, most = MOST_MARKS, ...rest }: { clock: () => number, most?: number, mostUnconfirmed?: number }) {
    this.ledger = new MarkLedger(rest)
    this.#now = clock
    this.#most = most
    this.ledger.restart('local')
    this.ledger.learn([], this.#nowMicros())
  }

  mark (kind: MarkKind, labels: readonly string[]): void {
    const { ledger } = this
    let stamp = Math.max(ledger.clock, this.#nowMicros())
    ledger.learn(labels.map((label): Mark => ({ kind, label, stamp: ++stamp })), stamp)
    const tooMany = ledger.size - this.#most
    if (tooMany > 0) ledger.raiseFloor(ledger.oldest(tooMany + Math.floor(this.#most * DROPPED_AT_ONCE)))
  }

  /** There are no copies. */
  changed (): void {}

  refresh (): void {}

  #nowMicros (): number {
    return Math.floor(this.#now() * 1000)
  }
}
