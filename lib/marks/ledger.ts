import { ALL, bucketOf, keyLabel } from './labels.ts'
import { globMatches } from './glob.ts'
import { UnconfirmedMarks } from './unconfirmed.ts'

/** Of this process alone: it is not written down. */
const kSeen = Symbol('seen')

/**
 * When a fill began, by the clock of the marks: the newest stamp that its process knew before the handler started. An old one is
 * safe, the entry only looks older.
 */
export interface FillStamp {
  /** The life of the marks: another one means that marks were lost, and nothing filled in this one can be trusted. */
  readonly incarnation: string
  readonly stamp: number
  /** How many invalidations this process had made, confirmed or not. */
  readonly [kSeen]?: number
}

/** Hard: what was filled before is never used again. Soft: it is no longer fresh. */
export type MarkKind = 'hard' | 'soft'

/** What the ledger keeps stamps of. Changed: a value of the bucket `label` was set or removed, so that copies made before are outdated. */
export type StampKind = MarkKind | 'changed'

export interface Mark {
  readonly kind: StampKind
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
 * Why an entry is not live: the label with the newest mark that means it, marks that were lost (it is of another life of theirs), dropped (it
 * is older than the floor), or not confirmed yet.
 */
export type Cause = { readonly label: string } | 'lost' | 'dropped' | 'unconfirmed'

/** The incarnation of what was filled while the marks could not be read: it is not stored, but those who wait share it. */
const UNMARKED = ''

export function isUnmarked ({ incarnation }: FillStamp): boolean {
  return incarnation === UNMARKED
}

const MOST_UNCONFIRMED = 10_000

/**
 * What this process knows of the marks: all of them up to its clock. A mark says "what carries this label and was filled before
 * this stamp is dead (hard) or stale (soft)". The number of marks is bounded; whatever drops one raises the floor to its stamp, and
 * what was filled below the floor is dead, because a dropped mark may have meant it.
 */
export class MarkLedger {
  /** What this process has invalidated and the store has not confirmed. */
  readonly unconfirmed: UnconfirmedMarks
  #incarnation: string | undefined
  #clock = 0
  #floor = 0
  readonly #stamps: Record<StampKind, Map<string, number>> = { hard: new Map(), soft: new Map(), changed: new Map() }
  /** Apart, because each is compared with every entry. */
  readonly #patterns: Record<MarkKind, Map<string, number>> = { hard: new Map(), soft: new Map() }
  #keys = 0

  constructor ({ mostUnconfirmed = MOST_UNCONFIRMED }: { mostUnconfirmed?: number } = {}) {
    this.unconfirmed = new UnconfirmedMarks({ most: mostUnconfirmed })
  }

  /** Undefined until the marks have been read once. */
  get stamp (): FillStamp | undefined {
    return this.#incarnation === undefined ? undefined : { incarnation: this.#incarnation, stamp: this.#clock, [kSeen]: this.unconfirmed.number }
  }

  /** The stamp of a fill that begins while the marks cannot be read. */
  get unmarked (): FillStamp {
    return { incarnation: UNMARKED, stamp: 0, [kSeen]: this.unconfirmed.number }
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
    return this.#all().reduce((size, { stamps }) => size + stamps.size, 0)
  }

  /** Begins another life: no mark is known, and nothing that was filled in the life before counts. */
  restart (incarnation: string): void {
    this.#incarnation = incarnation
    this.#clock = 0
    this.#floor = 0
    for (const { stamps } of this.#all()) stamps.clear()
    this.#keys = 0
  }

  /** With these, all marks up to `clock` are known. */
  learn (marks: Iterable<Mark>, clock: number): void {
    for (const mark of marks) this.#learn(mark)
    this.#clock = Math.max(this.#clock, clock)
  }

  #learn ({ kind, label, stamp }: Mark): void {
    const stamps = kind !== 'changed' && label.startsWith('p:') ? this.#patterns[kind] : this.#stamps[kind]
    const known = stamps.get(label)
    if (stamp <= this.#floor || (known !== undefined && known >= stamp)) return
    if (known === undefined && label.startsWith('k:')) this.#keys++
    stamps.delete(label) // so that the oldest come first
    stamps.set(label, stamp)
  }

  /** Forgets marks up to `floor`; from now on everything filled below it is dead. */
  raiseFloor (floor: number): void {
    if (floor <= this.#floor) return
    this.#floor = floor
    for (const { stamps } of this.#all()) {
      for (const [label, stamp] of stamps) {
        if (stamp > floor) break
        stamps.delete(label)
        if (label.startsWith('k:')) this.#keys--
      }
    }
  }

  /** The stamp of the mark in this place, counted from the oldest. */
  oldest (place: number): number {
    const first = this.#all().flatMap(({ stamps }) => firstOf(stamps.values(), place))
    return first.sort((a, b) => a - b)[place - 1]!
  }

  /** Marks newer than `stamp`, oldest first. */
  newerThan (stamp: number): Mark[] {
    return this.#all()
      .flatMap(({ kind, stamps }) => [...stamps].map(([label, at]): Mark => ({ kind, label, stamp: at })))
      .filter((mark) => mark.stamp > stamp)
      .sort((a, b) => a.stamp - b.stamp)
  }

  /** Whether an entry may be used. `id` is asked for only while marks name keys or patterns. */
  verdict (entry: Labelled, key: { readonly id: string }): Verdict {
    const known = this.#known(entry, key)
    if (known === 'dead' || this.unconfirmed.size === 0) return known
    const waiting = this.unconfirmed.verdict(entry.labels, key, entry.filled[kSeen] ?? 0)
    return waiting === 'live' ? known : waiting
  }

  /** Why the verdict is what it is. `undefined` for an entry that is live. */
  causeOf (entry: Labelled, key: { readonly id: string }): Cause | undefined {
    if (this.verdict(entry, key) === 'live') return undefined
    const { filled, labels } = entry
    if (this.#known(entry, key) === 'live') return 'unconfirmed'
    if (filled.incarnation !== this.#incarnation) return 'lost'
    if (filled.stamp < this.#floor) return 'dropped'
    const id = key.id.toWellFormed()
    const own = new Set([ALL, keyLabel(id), ...labels])
    const kind = this.#isMarked('hard', filled.stamp, labels, key) ? 'hard' : 'soft'
    const marks = [...[...own].map((label) => [label, this.#stamps[kind].get(label) ?? 0] as const), ...[...this.#patterns[kind]].filter(([label]) => globMatches(label.slice(2), id))]
    return { label: marks.reduce((newest, mark) => mark[1] > newest[1] ? mark : newest)[0] }
  }

  /** Whether nothing at all was invalidated since. */
  isLatest (filled: FillStamp): boolean {
    return filled.incarnation === (this.#incarnation ?? UNMARKED) && filled.stamp >= this.#clock && (this.unconfirmed.size === 0 || filled[kSeen] === this.unconfirmed.number)
  }

  #known ({ filled, labels }: Labelled, key: { readonly id: string }): Verdict {
    // Without marks there is no invalidation that this process could know of but its own.
    if (isUnmarked(filled) && this.#incarnation === undefined) return 'live'
    if (filled.incarnation !== this.#incarnation || filled.stamp < this.#floor) return 'dead'
    if (filled.stamp >= this.#clock) return 'live' // nothing has been marked since
    if (this.#isMarked('hard', filled.stamp, labels, key)) return 'dead'
    return this.#isMarked('soft', filled.stamp, labels, key) ? 'stale' : 'live'
  }

  /** Whether a copy of a value, asked for when this process knew the stamp, is still what is stored. */
  isCurrent (copied: FillStamp, { id }: { readonly id: string }): boolean {
    if (copied.incarnation !== this.#incarnation || copied.stamp < this.#floor) return false
    return copied.stamp >= this.#clock || !isNewer(this.#stamps.changed.get(bucketOf(id)), copied.stamp)
  }

  #isMarked (kind: MarkKind, filledAt: number, labels: readonly string[], key: { readonly id: string }): boolean {
    const stamps = this.#stamps[kind]
    const patterns = this.#patterns[kind]
    if (patterns.size > 0 && isPatternNewer(patterns, filledAt, key.id.toWellFormed())) return true
    if (stamps.size === 0) return false
    if (isNewer(stamps.get(ALL), filledAt)) return true
    for (let i = 0; i < labels.length; i++) if (isNewer(stamps.get(labels[i]!), filledAt)) return true
    return this.#keys > 0 && isNewer(stamps.get(keyLabel(key.id)), filledAt)
  }

  #all (): Array<{ kind: StampKind, stamps: Map<string, number> }> {
    const kinds = (['hard', 'soft'] as const).flatMap((kind) => [{ kind, stamps: this.#stamps[kind] }, { kind, stamps: this.#patterns[kind] }])
    return [...kinds, { kind: 'changed', stamps: this.#stamps.changed }]
  }
}

function firstOf<T> (values: Iterable<T>, count: number): T[] {
  const first: T[] = []
  for (const value of values) if (first.push(value) === count) break
  return first
}

function isNewer (mark: number | undefined, filledAt: number): boolean {
  return mark !== undefined && mark > filledAt
}

function isPatternNewer (patterns: ReadonlyMap<string, number>, filledAt: number, id: string): boolean {
  for (const [label, stamp] of patterns) {
    if (stamp > filledAt && globMatches(label.slice(2), id)) return true
  }
  return false
}
