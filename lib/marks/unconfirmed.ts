import { globMatches } from './glob.ts'
import { ALL, keyLabel } from './labels.ts'

type Kind = 'hard' | 'soft'

interface Waiting {
  readonly kind: Kind
  /** Counts the invalidations of this process. */
  readonly number: number
}

/** Labels of one kind that are to be marked, as they were when they were taken. */
export interface Batch {
  readonly kind: Kind
  readonly labels: readonly string[]
  readonly number: number
}

/**
 * Invalidations of this process that the store has not confirmed. Until it has, nothing that they mean is served as fresh here, unless
 * its fill began after them. Each label waits once. More labels than the bound become one that means everything: none is forgotten.
 */
export class UnconfirmedMarks {
  readonly #most: number
  /** The oldest first. */
  readonly #waiting = new Map<string, Waiting>()
  #number = 0
  #patterns = 0

  constructor ({ most }: { most: number }) {
    this.#most = most
  }

  get size (): number {
    return this.#waiting.size
  }

  /** The number of the latest invalidation: what is filled from now on is newer than that. */
  get number (): number {
    return this.#number
  }

  /** One invalidation. What waits to be dead is not merely stale for another one. */
  add (kind: Kind, labels: readonly string[]): Batch {
    const number = ++this.#number
    for (const label of labels) {
      const isHard = kind === 'hard' || this.#waiting.get(label)?.kind === 'hard'
      this.#put(label, { kind: isHard ? 'hard' : 'soft', number })
    }
    return { kind, labels, number }
  }

  /** Called when something was not confirmed: what is only on its way may be more. */
  bound (): void {
    if (this.#waiting.size <= this.#most) return
    const isHard = [...this.#waiting.values()].some(({ kind }) => kind === 'hard')
    this.#waiting.clear()
    this.#patterns = 0
    this.#put(ALL, { kind: isHard ? 'hard' : 'soft', number: this.#number })
  }

  /** What was marked needs no waiting, but for what was invalidated again since. */
  confirm ({ kind, labels, number }: Batch): void {
    for (const label of labels) {
      const waiting = this.#waiting.get(label)
      if (waiting !== undefined && waiting.number <= number && (kind === 'hard' || waiting.kind === 'soft')) this.#remove(label)
    }
  }

  /** Whether a label of it still waits, for this invalidation or a later one. */
  isWaiting ({ labels, number }: Batch): boolean {
    return labels.some((label) => this.#waiting.has(label)) || (this.#waiting.get(ALL)?.number ?? -1) >= number
  }

  /** The oldest that are of one kind, `most` at once. */
  next (most: number): Batch | undefined {
    let first: Waiting | undefined
    const labels: string[] = []
    let number = 0
    for (const [label, waiting] of this.#waiting) {
      first ??= waiting
      if (waiting.kind !== first.kind || labels.push(label) > most) break
      number = waiting.number
    }
    return first === undefined ? undefined : { kind: first.kind, labels: labels.slice(0, most), number }
  }

  /** What waits for an entry whose fill began when `seen` invalidations had been made. */
  verdict (labels: readonly string[], key: { readonly id: string }, seen: number): 'live' | 'stale' | 'dead' {
    if (this.#waiting.size === 0 || seen >= this.#number) return 'live'
    const kinds = new Set([ALL, keyLabel(key.id), ...labels].map((label) => this.#kindOf(label, seen)))
    if (this.#patterns > 0) {
      for (const label of this.#waiting.keys()) if (isPattern(label) && globMatches(label.slice(2), key.id.toWellFormed())) kinds.add(this.#kindOf(label, seen))
    }
    return kinds.has('hard') ? 'dead' : kinds.has('soft') ? 'stale' : 'live'
  }

  #kindOf (label: string, seen: number): Kind | undefined {
    const waiting = this.#waiting.get(label)
    return waiting === undefined || waiting.number <= seen ? undefined : waiting.kind
  }

  #remove (label: string): void {
    if (this.#waiting.delete(label) && isPattern(label)) this.#patterns--
  }

  #put (label: string, waiting: Waiting): void {
    this.#remove(label) // so that the oldest come first
    this.#waiting.set(label, waiting)
    if (isPattern(label)) this.#patterns++
  }
}

function isPattern (label: string): boolean {
  return label.startsWith('p:')
}
