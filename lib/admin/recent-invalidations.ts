import { invalidations, type InvalidationMessage } from '../channels.ts'

/** One invalidation, as it was told. */
export interface SeenInvalidation {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** What was named, by kind; of each kind the first 20. */
  readonly kinds: Readonly<Record<string, readonly string[]>>
  /** How many names there were beyond those. */
  readonly omitted: number
  /** The name of the event that has caused it. */
  readonly event?: string
  readonly soft: boolean
  /** Whether the store has confirmed it. */
  readonly isConfirmed: boolean
  readonly ms: number
}

const MOST = 100
const MOST_NAMES = 20
const LONGEST_NAME = 200

/** The last invalidations of one cache by this process. Bounded, whatever they name. */
export class RecentInvalidations {
  readonly #cache: object
  readonly #seen: SeenInvalidation[] = []
  // Typed by the channel, which gives `unknown`.
  readonly #listener = (message: unknown): void => { this.#add(message as InvalidationMessage) }

  constructor (cache: object) {
    this.#cache = cache
    invalidations.subscribe(this.#listener)
  }

  /** The latest first. */
  get latest (): readonly SeenInvalidation[] {
    return this.#seen.toReversed()
  }

  close (): void {
    invalidations.unsubscribe(this.#listener)
  }

  #add ({ cache, event, targets, soft, isConfirmed, ms }: InvalidationMessage): void {
    if (cache !== this.#cache) return // the channel is that of the process
    const named: Array<[kind: string, names: readonly unknown[]]> = targets === 'all' ? [['all', []]] : Object.entries(targets).filter(([, names]) => Array.isArray(names))
    this.#seen.push({
      at: Date.now(),
      kinds: Object.fromEntries(named.map(([kind, names]) => [kind, names.slice(0, MOST_NAMES).map((name) => String(name).slice(0, LONGEST_NAME))])),
      omitted: named.reduce((sum, [, names]) => sum + Math.max(0, names.length - MOST_NAMES), 0),
      ...event === undefined ? {} : { event: event.slice(0, LONGEST_NAME) },
      soft,
      isConfirmed,
      ms
    })
    if (this.#seen.length > MOST) this.#seen.shift()
  }
}
