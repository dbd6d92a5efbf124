import { ClosedError, InvalidTargetError } from '../errors.ts'
import type { Lease, Leases } from '../leases.ts'
import type { Logger } from '../logger.ts'
import type { HotTracker } from './hot-tracker.ts'
import type { UrlTarget } from './hot-target.ts'
import { later, type Later } from './later.ts'
import { ProgressBar } from './progress-bar.ts'
import { checkTarget, checkTargets, type CheckedTarget, type ProducedTarget, type WarmTargetList, type WarmTargets } from './targets.ts'
import { checkWarmOptions, type WarmOptions, type WarmSettings } from './warm-options.ts'
import { unlessAborted, warmAll, type Outcome, type SingleTarget, type TargetSource, type WarmProgress, type WarmReport } from './warming.ts'

/** The app whose URLs are warmed. */
export interface WarmedApp {
  /** Repeats a GET of this URL through the app and stores its answer; `fresh` when there is an entry that stays fresh for `freshForMs` more. Never rejects. */
  fill (target: UrlTarget, options: { freshForMs: number, signal: AbortSignal }): Promise<Outcome>
}

/** `getOrSet` of the client. */
export type GetOrSet = (key: string, produce: () => unknown, options: {
  ttl?: ProducedTarget['ttl']
  tags?: readonly string[] | ((value: unknown) => readonly string[])
}) => Promise<unknown>

export interface WarmerOptions {
  /** Default: there are no URLs. */
  readonly app?: WarmedApp | undefined
  readonly getOrSet: GetOrSet
  /** Whether a value is stored. Default: what was produced is. */
  readonly has?: ((key: string) => Promise<boolean>) | undefined
  /** Resolves when the store is connected, or will not be soon. Default: at once. */
  readonly connected?: (() => Promise<void>) | undefined
  /** Default: hits are not counted. */
  readonly hot?: Pick<HotTracker<never>, 'top' | 'close'> | undefined
  /** Decides which process warms on schedule. */
  readonly leases: Leases
  readonly logger: Logger
  readonly later?: Later
  /** Milliseconds that never go back. */
  readonly monotonic?: () => number
  /** Where a bar is drawn. Default: standard error, if that is a terminal. */
  readonly terminal?: ConstructorParameters<typeof ProgressBar>[0] | undefined
}

/** One call, or one time of a schedule. */
interface Run {
  readonly where: string
  readonly concurrency: number
  readonly headers: Readonly<Record<string, string>>
  readonly onProgress: (progress: WarmProgress) => void
  readonly signal: AbortSignal
  /** What stays fresh for this long is left alone. */
  readonly freshForMs: number
}

const LEASE = 'warm'
/** A process that dies while it warms is replaced after this long. */
const LEASE_MS = 10_000
/** Nobody else warms for this part of the interval. Less than all of it: whoever did must be able to do it at the next. */
const REST_PART = 0.9
const LONGEST_REASON = 200

/** Fills the cache before anybody asks: when it is called, on start, and on a schedule. */
export class Warmer {
  readonly #options: WarmerOptions
  readonly #later: Later
  readonly #now: () => number
  readonly #closing = new AbortController()
  #callOff: (() => void) | undefined
  #isRunning = false
  #hasFailed = false

  constructor (options: WarmerOptions) {
    this.#options = options
    this.#later = options.later ?? later
    this.#now = options.monotonic ?? (() => performance.now())
  }

  /**
   * Fills the cache with the answers to these targets, unless they are there and fresh. A target that fails is in the report. Errors:
   * `RESPONSE_CACHE_ERR_TARGET_INVALID`, for targets of a list before any of them is filled; every `RESPONSE_CACHE_ERR_OPTION_*`;
   * `RESPONSE_CACHE_ERR_CLOSED`; the reason of `signal`; what `onProgress`, a function or an iterable of targets throws.
   */
  async warm (targets: WarmTargets, options: WarmOptions = {}): Promise<WarmReport> {
    if (this.#closing.signal.aborted) throw new ClosedError()
    const { concurrency, headers, onProgress, signal } = checkWarmOptions(options)
    const bar = onProgress === undefined ? this.#bar() : undefined
    try {
      const report = await this.#run(targets, {
        where: 'warm()',
        concurrency,
        headers,
        onProgress: onProgress || (bar?.update ?? ignore),
        signal: signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]),
        freshForMs: 0
      })
      bar?.end(report)
      return report
    } catch (fault) {
      bar?.erase()
      throw fault
    }
  }

  /** Warms now, and then on schedule until `close()`. Whatever fails is logged. */
  start (settings: WarmSettings): void {
    if (settings.targets === undefined || this.#closing.signal.aborted) return
    void this.#runOne(settings, 'on start')
    if (settings.everyMs !== undefined) this.#schedule(settings, settings.everyMs)
  }

  /** Ends what runs, which rejects with `RESPONSE_CACHE_ERR_CLOSED`; does not wait for handlers. */
  close (): void {
    this.#callOff?.()
    this.#options.hot?.close()
    this.#closing.abort(new ClosedError())
  }

  #schedule (settings: WarmSettings, everyMs: number): void {
    this.#callOff = this.#later(everyMs, () => {
      this.#schedule(settings, everyMs)
      void this.#lead(settings, everyMs)
    })
  }

  /** A time of the schedule, if no other process has it. Never rejects. */
  async #lead (settings: WarmSettings, everyMs: number): Promise<void> {
    if (this.#isRunning) return
    const askedAt = this.#now()
    const lease = await this.#lease()
    if (lease === undefined) return
    const { signal } = this.#closing
    await this.#runOne(settings, 'on schedule')
    const restMs = signal.aborted ? 0 : everyMs * REST_PART - (this.#now() - askedAt)
    await lease.release('stored', restMs > 0 ? { restMs } : {})
  }

  async #lease (): Promise<Lease | undefined> {
    try {
      const answer = await this.#options.leases.acquire(LEASE, { leaseMs: LEASE_MS, waitMs: 0 })
      this.#hasFailed = false
      return answer.outcome === 'granted' ? answer.lease : undefined
    } catch (fault) {
      if (!this.#hasFailed && !this.#closing.signal.aborted) this.#options.logger.warn({ err: fault, cache: { state: 'warm-error' } }, 'nothing is warmed on schedule: no process can be chosen for it')
      this.#hasFailed = true
      return undefined
    }
  }

  /** Never rejects. */
  async #runOne ({ targets, concurrency, headers, everyMs }: WarmSettings, occasion: 'on start' | 'on schedule'): Promise<void> {
    const { logger } = this.#options
    this.#isRunning = true
    try {
      const { signal } = this.#closing
      const { failures, ...counts } = await this.#run(targets!, { where: 'the plugin option warm', concurrency, headers, onProgress: ignore, signal, freshForMs: everyMs ?? 0 })
      if (counts.failed > 0) logger.warn({ cache: { warmed: counts, failures: failures.slice(0, 3) } }, `warming ${occasion} failed for some targets`)
      else if (occasion === 'on start') logger.info({ cache: { warmed: counts } }, 'warmed on start')
    } catch (fault) {
      if (!this.#closing.signal.aborted) logger.warn({ err: fault, cache: { state: 'warm-error' } }, `warming ${occasion} failed`)
    } finally {
      this.#isRunning = false
    }
  }

  async #run (targets: WarmTargets, run: Run): Promise<WarmReport> {
    run.signal.throwIfAborted()
    await unlessAborted(run.signal, this.#options.connected?.() ?? Promise.resolve())
    const source = await unlessAborted(run.signal, this.#sourceOf(targets, run))
    return await warmAll(source, { ...run, fill: (target, signal) => this.#fill(target, { ...run, signal }) })
  }

  async #sourceOf (targets: WarmTargets, run: Run): Promise<TargetSource> {
    checkTargets(targets, run.where)
    const given = typeof targets === 'function' ? checkTargets(await targets(), run.where) as WarmTargetList : targets
    if (!Array.isArray(given) && !(given instanceof Set)) return { total: undefined, targets: this.#each(given, run) }
    const checked = [...given as Iterable<unknown>].map((target) => this.#check(target, run))
    const list = (await Promise.all(checked.map((target) => this.#expand(target)))).flat()
    return { total: list.length, targets: this.#listed(list) }
  }

  /** Each when it is asked for: there may be many. */
  async * #each (targets: WarmTargetList, run: Run): AsyncGenerator<SingleTarget, void> {
    for await (const target of targets) yield * await this.#expand(this.#check(target, run))
  }

  async * #listed (list: readonly SingleTarget[]): AsyncGenerator<SingleTarget, void> {
    yield * list
  }

  #check (target: unknown, { where, headers }: Run): CheckedTarget {
    const checked = checkTarget(target, where)
    if (checked.kind === 'key') return checked
    if (this.#options.app === undefined) throw new InvalidTargetError(checked.kind, where, 'expected targets with "key" and "produce", because there is no Fastify app to request anything of; app.cache has one')
    if (checked.kind === 'url') return { ...checked, headers: { ...headers, ...checked.headers } }
    if (this.#options.hot === undefined) throw new InvalidTargetError('hottest', where, 'expected hits to be counted, which they are with the plugin option warm: { countHits: true }, or a { hottest } in its list')
    return checked
  }

  async #expand (target: CheckedTarget): Promise<SingleTarget[]> {
    if (target.kind !== 'hottest') return [target]
    return (await this.#options.hot!.top(target.hottest)).map((hot) => ({ kind: 'url', ...hot }))
  }

  async #fill (target: SingleTarget, { freshForMs, signal }: Run): Promise<Outcome> {
    try {
      if (target.kind === 'key') return await this.#produce(target)
      return await this.#options.app!.fill({ url: target.url, headers: target.headers }, { freshForMs, signal })
    } catch (fault) {
      if (fault instanceof ClosedError) throw fault
      return { outcome: 'failed', reason: (fault instanceof Error ? fault.message : String(fault)).slice(0, LONGEST_REASON) }
    }
  }

  async #produce ({ key, produce, ttl, tags }: ProducedTarget): Promise<Outcome> {
    let isProduced = false
    const value = await this.#options.getOrSet(key, () => {
      isProduced = true
      return produce()
    }, { ...(ttl === undefined ? {} : { ttl }), ...(tags === undefined ? {} : { tags: tags as readonly string[] | ((value: unknown) => readonly string[]) }) })
    if (!isProduced) return { outcome: 'fresh' }
    if (value === undefined) return { outcome: 'failed', reason: 'produce gave undefined, which is not stored' }
    return await this.#options.has?.(key) ?? true ? { outcome: 'filled' } : { outcome: 'failed', reason: 'the store has not kept it' }
  }

  #bar (): ProgressBar | undefined {
    const { terminal = process.stderr.isTTY && process.env.TERM !== 'dumb' ? process.stderr : undefined } = this.#options
    return terminal === undefined ? undefined : new ProgressBar(terminal)
  }
}

function ignore (): void {}
