import { invalidations, type InvalidationMessage } from '../channels.ts'

/** One invalidation, as it was told. */
export interface SeenInvalidation {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** What was named, by kind; of each kind the first 20. */
  readonly kinds: Readonly<Record<string, readonly string[]>>
  /** How many names there were beyond those. */
  readonly omitted: number
  readonly soft: boolean
  /** Whether the store has confirmed it. */
  readonly isConfirmed: boolean
  readonly ms: number
}

const MOST = 100
const MOST_NAMES = 20
const LONGEST_NAME = 200

/** The last invalidations of this process. Bounded, whatever they name. */
export class RecentInvalidations {
  readonly #seen: SeenInvalidation[] = []
  // Typed by the channel, which gives `unknown`.
  readonly #listener = (message: unknown): void => { this.#add(message as InvalidationMessage) }

  constructor () {
    invalidations.subscribe(this.#listener)
  }

  /** The latest first. */
  get latest (): readonly SeenInvalidation[] {
    return this.#seen.toReversed()
  }

  close (): void {
    invalidations.unsubscribe(this.#listener)
  }

  #add ({ targets, soft, isConfirmed, ms }: InvalidationMessage): void {
    const named: Array<[kind: string, names: readonly unknown[]]> = targets === 'all' ? [['all', []]] : Object.entries(targets).filter(([, names]) => Array.isArray(names))
    this.#seen.push({
      at: Date.now(),
      kinds: Object.fromEntries(named.map(([kind, names]) => [kind, names.slice(0, MOST_NAMES).map((name) => String(name).slice(0, LONGEST_NAME))])),
      omitted: named.reduce((sum, [, names]) => sum + Math.max(0, names.length - MOST_NAMES), 0),
      soft,
      isConfirmed,
      ms
    })
    if (this.#seen.length > MOST) this.#seen.shift()
  }
}
