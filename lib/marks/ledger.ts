import { ALL, keyLabel } from './labels.ts'
import { globMatches } from './glob.ts'

/**
 * When a fill began, by the clock of the marks: the newest stamp that its process knew before the handler started. An old one is
 * safe, the entry only looks older.
 */
export interface FillStamp {
  /** The life of the marks: another one means that marks were lost, and nothing filled in this one can be trusted. */
  readonly incarnation: string
  readonly stamp: number
}

/** Hard: what was filled before is never used again. Soft: it is no longer fresh. */
export type MarkKind = 'hard' | 'soft'

export interface Mark {
  readonly kind: MarkKind
  readonly label: string
  readonly stamp: number
}

/** What an entry is judged by. */
export interface Labelled {
  readonly filled: FillStamp
  readonly labels: readonly string[]
}

export type Verdict = 'live' | 'stale' | 'dead'

/**
 * What this process knows of the marks: all of them up to its clock. A mark says "what carries this label and was filled before
 * this stamp is dead (hard) or stale (soft)". The number of marks is bounded; whatever drops one raises the floor to its stamp, and
 * what was filled below the floor is dead, because a dropped mark may have meant it.
 */
export class MarkLedger {
  #incarnation: string | undefined
  #clock = 0
  #floor = 0
  /** In the order of their stamps. */
  readonly #stamps: Record<MarkKind, Map<string, number>> = { hard: new Map(), soft: new Map() }
  #patterns = 0
  #keys = 0

  /** Undefined until the marks have been read once. */
  get stamp (): FillStamp | undefined {
    return this.#incarnation === undefined ? undefined : { incarnation: this.#incarnation, stamp: this.#clock }
  }

  get incarnation (): string | undefined {
    return this.#incarnation
  }

  get clock (): number {
    return this.#clock
  }

  get floor (): number {
    return this.#floor
  }

  get size (): number {
    return this.#stamps.hard.size + this.#stamps.soft.size
  }

  /** Begins another life: no mark is known, and nothing that was filled in the life before counts. */
  restart (incarnation: string, clock: number): void {
    this.#incarnation = incarnation
    this.#clock = clock
    this.#floor = 0
    this.#stamps.hard.clear()
    this.#stamps.soft.clear()
    this.#patterns = this.#keys = 0
  }

  /** Takes marks in the order of their stamps. With them, all marks up to `clock` are known. */
  learn (marks: Iterable<Mark>, clock: number): void {
    for (const mark of marks) this.#learn(mark)
    this.#clock = Math.max(this.#clock, clock)
  }

  #learn ({ kind, label, stamp }: Mark): void {
    const stamps = this.#stamps[kind]
    const known = stamps.get(label)
    if (known !== undefined && known >= stamp) return
    if (known === undefined) this.#count(label, 1)
    else stamps.delete(label)
    stamps.set(label, stamp)
  }

  /** Forgets marks up to `floor`; from now on everything filled below it is dead. */
  raiseFloor (floor: number): void {
    if (floor <= this.#floor) return
    this.#floor = floor
    for (const stamps of [this.#stamps.hard, this.#stamps.soft]) {
      for (const [label, stamp] of stamps) {
        if (stamp > floor) break
        stamps.delete(label)
        this.#count(label, -1)
      }
    }
  }

  /** Marks newer than `stamp`, oldest first. */
  newerThan (stamp: number): Mark[] {
    return (['hard', 'soft'] as const)
      .flatMap((kind) => [...this.#stamps[kind]].map(([label, at]): Mark => ({ kind, label, stamp: at })))
      .filter((mark) => mark.stamp > stamp)
      .sort((a, b) => a.stamp - b.stamp)
  }

  /** Whether an entry may be used. `id` is asked for only while marks name keys or patterns. */
  verdict ({ filled, labels }: Labelled, key: { readonly id: string }): Verdict {
    if (filled.incarnation !== this.#incarnation || filled.stamp < this.#floor) return 'dead'
    if (filled.stamp >= this.#clock) return 'live' // nothing has been marked since
    if (this.#isMarked('hard', filled.stamp, labels, key)) return 'dead'
    return this.#isMarked('soft', filled.stamp, labels, key) ? 'stale' : 'live'
  }

  #isMarked (kind: MarkKind, filledAt: number, labels: readonly string[], key: { readonly id: string }): boolean {
    const stamps = this.#stamps[kind]
    if (stamps.size === 0) return false
    if (isNewer(stamps.get(ALL), filledAt)) return true
    for (let i = 0; i < labels.length; i++) if (isNewer(stamps.get(labels[i]!), filledAt)) return true
    if (this.#keys > 0 && isNewer(stamps.get(keyLabel(key.id)), filledAt)) return true
    return this.#patterns > 0 && isPatternNewer(stamps, filledAt, key.id)
  }

  #count (label: string, by: 1 | -1): void {
    if (label.startsWith('p:')) this.#patterns += by
    if (label.startsWith('k:')) this.#keys += by
  }
}

function isNewer (mark: number | undefined, filledAt: number): boolean {
  return mark !== undefined && mark > filledAt
}

function isPatternNewer (stamps: ReadonlyMap<string, number>, filledAt: number, id: string): boolean {
  for (const [label, stamp] of stamps) {
    if (label.startsWith('p:') && stamp > filledAt && globMatches(label.slice(2), id.toWellFormed())) return true
  }
  return false
}
