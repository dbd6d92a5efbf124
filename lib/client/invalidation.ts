import { invalidations, marking, type InvalidationMessage } from '../channels.ts'
import { ClosedError } from '../errors.ts'
import { InvalidationEvents, type EventInvalidation, type EventTargets } from '../events/invalidation-events.ts'
import { ALL } from '../marks/labels.ts'
import { labelsOf, type Invalidated, type InvalidateOptions, type InvalidationTargets, type OneOrMore } from '../marks/targets.ts'
import { boolean, checkOptions } from '../options/check.ts'
import type { CacheSettings } from '../options/resolve.ts'
import type { StatsBook } from '../stats/stats-book.ts'
import type { GuardedStore } from '../store/guarded-store.ts'
import type { Swept } from '../store/store.ts'

/** The part of the client that is not about single values: its life, and what it invalidates. */
export class InvalidationClient implements AsyncDisposable {
  readonly #store: GuardedStore
  readonly #settings: CacheSettings
  readonly #events: InvalidationEvents
  readonly #book: StatsBook
  #closing: Promise<void> | undefined

  constructor (store: GuardedStore, settings: CacheSettings, book: StatsBook) {
    this.#book = book
    this.#store = store
    this.#settings = settings
    this.#events = new InvalidationEvents({
      log: settings.enabled ? store.events : undefined,
      mark: async (labels) => { if (settings.enabled) await store.mark('hard', labels) },
      onInvalidated: (what) => { this.#countEvent(what) },
      isFirst: (id) => isFirstToTell(store, id),
      logger: settings.logger
    })
  }

  /**
   * Invalidates everything that one of the targets means and that was filled before this call: responses and values, also those
   * whose handler is running now. When it has resolved, no process serves any of them as fresh. It costs the same however many
   * entries that are. With `soft: true` they may still be served stale where a route allows that.
   *
   * Errors: `RESPONSE_CACHE_ERR_TARGET_INVALID`, and `RESPONSE_CACHE_ERR_INVALIDATION_PENDING` when Redis has not confirmed it in time: it is
   * sent again until it is.
   */
  async invalidate (targets: InvalidationTargets, options: InvalidateOptions = {}): Promise<Invalidated> {
    this.assertOpen()
    const labels = labelsOf(targets)
    checkOptions<InvalidateOptions>(options, { soft: boolean }, 'the options of invalidate()')
    return await this.#mark(labels, targets, options)
  }

  /** Invalidates values by their keys, and responses by what `X-Cache-Key` shows behind the prefix. */
  async invalidateKey (keys: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ keys: [keys].flat() }, options)
  }

  async invalidateTags (tags: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ tags: [tags].flat() }, options)
  }

  async invalidateNamespace (namespaces: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ namespaces: [namespaces].flat() }, options)
  }

  /** Invalidates by globs over keys, which begin with the namespace: `user:123:*`. `*` is any run of characters, `?` one, `\` escapes. */
  async invalidatePattern (patterns: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ patterns: [patterns].flat() }, options)
  }

  /** Invalidates what routes with `varyByUser` keep for a user. */
  async invalidateUser (users: OneOrMore<string | number>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ users: [users].flat() }, options)
  }

  /** Invalidates the responses to URLs: without a query, whatever their query was; with one, that query, names in any order. */
  async invalidateUrl (urls: OneOrMore<string>, options?: InvalidateOptions): Promise<Invalidated> {
    return await this.invalidate({ urls: [urls].flat() }, options)
  }

  /** Invalidates everything under the prefix. */
  async invalidateAll (options: InvalidateOptions = {}): Promise<Invalidated> {
    this.assertOpen()
    return await this.#mark([ALL], 'all', options)
  }

  async #mark (labels: readonly string[], targets: InvalidationTargets | 'all', { soft = false }: InvalidateOptions): Promise<Invalidated> {
    if (this.#settings.enabled) await this.#counted({ targets, soft, labels }, () => this.#store.mark(soft ? 'soft' : 'hard', labels))
    return { ...targets === 'all' ? {} : targets, soft }
  }

  async #counted ({ targets, soft, labels }: Pick<InvalidationMessage, 'targets' | 'soft'> & { labels: readonly string[] }, mark: () => Promise<void>): Promise<void> {
    this.#book.invalidated(targets, 'call')
    const beganAt = performance.now()
    let isConfirmed = false
    try {
      await (marking.hasSubscribers ? marking.tracePromise(mark, { targets, soft }) : mark())
      isConfirmed = true
    } finally {
      this.#tell({ targets, soft, cause: 'call', isConfirmed, ms: performance.now() - beganAt }, labels.length)
    }
  }

  #countEvent ({ event, labels, ...what }: EventInvalidation): void {
    if (!this.#settings.enabled) return
    const cause = event === undefined ? 'missed-events' : 'event'
    this.#book.invalidated(what.targets, cause)
    this.#tell({ ...what, soft: false, cause, ...event === undefined ? {} : { event } }, labels)
  }

  #tell (message: Omit<InvalidationMessage, 'cache'>, labels: number): void {
    if (invalidations.hasSubscribers) invalidations.publish({ cache: this, ...message } satisfies InvalidationMessage)
    const { targets, isConfirmed } = message
    this.#settings.logger.info({ cache: { outcome: 'invalidated', ...message, targets: shortened(targets), labels } }, isConfirmed ? 'cache invalidated' : 'cache invalidation waits for the store')
  }

  /**
   * Invalidates what `toTargets` gives for every such event, from any process and any service; gives back a function that ends it.
   * May be called before Redis is there. `data` is what JSON has kept of it, and what whoever may write to Redis has put there.
   * Errors: `RESPONSE_CACHE_ERR_TARGET_INVALID`.
   */
  invalidateOn<Data = unknown> (event: string, toTargets: EventTargets<Data>): () => void {
    this.assertOpen()
    return this.#events.on(event, toTargets)
  }

  /**
   * Tells an event to the handlers of all processes. When it has resolved, what the handlers of this process name is invalidated as
   * by `invalidate`, and those of the others follow.
   *
   * Errors: `RESPONSE_CACHE_ERR_TARGET_INVALID` for what is no event or not to be said in JSON, and
   * `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE` when Redis did not confirm; publishing again is harmless.
   */
  async publish (event: string, data?: unknown): Promise<void> {
    this.assertOpen()
    await this.#events.publish(event, data)
  }

  /**
   * Gives back the memory of what is invalidated, which otherwise returns when its time to live is over. It walks through everything
   * under the prefix behind other traffic, which takes a while. Errors as for `deletePattern`.
   */
  async sweep (): Promise<Swept> {
    this.assertOpen()
    return this.#settings.enabled ? await this.#store.sweep() : { scanned: 0, removed: 0 }
  }

  /** Resolves when the store answers. */
  async ping (): Promise<void> {
    this.assertOpen()
    await this.#store.ping()
  }

  /** Resolves once the store can be used; with Redis away that is when it comes back. Routes do not wait for it. */
  async connect (): Promise<void> {
    this.assertOpen()
    await this.#store.connect()
    await this.#events.ready()
  }

  /** Frees everything the cache holds; Redis clients that you made stay open. Fastify calls it when the app closes. */
  async close (): Promise<void> {
    await (this.#closing ??= Promise.all([this.#events.close(), this.beforeClosed()]).then(async () => { await this.#store.close() }))
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.close()
  }

  /** What still needs the store. Never rejects. */
  protected async beforeClosed (): Promise<void> {}

  protected get isClosed (): boolean {
    return this.#closing !== undefined
  }

  protected assertOpen (): void {
    if (this.isClosed) throw new ClosedError()
  }
}

/** For a log: the first of each kind. */
function shortened (targets: InvalidationTargets | 'all'): unknown {
  if (targets === 'all') return targets
  return Object.fromEntries(Object.entries(targets).map(([kind, list]: [string, readonly unknown[] | undefined]) => [kind, list !== undefined && list.length > LOGGED ? [...list.slice(0, LOGGED), `and ${list.length - LOGGED} more`] : list]))
}

const LOGGED = 10

/** So long those that handle an event later than others know that it was told. */
const TOLD_MS = 60_000

/** Of all processes that handle an event, the one that gets its lease tells of it. */
async function isFirstToTell ({ leases }: GuardedStore, id: string): Promise<boolean> {
  const answer = await leases.acquire(`event:${id}`, { leaseMs: 2000, waitMs: 5000 })
  if (answer.outcome !== 'granted') return false
  await answer.lease.release('stored', { restMs: TOLD_MS })
  return true
}
