import { InvalidOptionError, expectedGot } from '../errors.ts'
import { boolean, checkOptions, func, positiveInteger, type Rule, type Rules } from '../options/check.ts'
import { durationToMs, type Duration } from '../options/duration.ts'
import { checkTarget, headerFields, lowerCase, type WarmTarget, type WarmTargets } from './targets.ts'
import type { WarmProgress } from './warming.ts'

/** Options of `warm()`. */
export interface WarmOptions {
  /** How many targets at the same time. Default 2. */
  concurrency?: number
  /** Header fields of every request to a URL, such as `host`. Those of a target win. Default: none. */
  headers?: Readonly<Record<string, string>>
  /** Called after each target. Default: a bar on standard error, if that is a terminal. `false`: nothing. */
  onProgress?: ((progress: WarmProgress) => void) | false
  /** Ends it; `warm()` then rejects with the reason of the signal. */
  signal?: AbortSignal
}

/** The plugin option `warm`, in its long form. */
export interface WarmPluginOptions extends Pick<WarmOptions, 'concurrency' | 'headers'> {
  /** What to warm on start: a list, or a function that gives one, also an (async) iterable. Default: nothing. */
  targets?: readonly WarmTarget[] | Extract<WarmTargets, () => unknown>
  /** Again at this interval, by one process of the fleet at a time. From 1 second to 24 days. Default: on start only. */
  every?: Duration
  /** Counts hits for `{ hottest: n }`. Default: whether `targets` is a list with such a target. */
  countHits?: boolean
}

/** The plugin option `warm`: what to warm on start, or options. */
export type WarmPluginOption = readonly WarmTarget[] | WarmPluginOptions

/** The checked, complete plugin option. */
export interface WarmSettings {
  readonly targets: WarmTargets | undefined
  readonly concurrency: number
  readonly headers: Readonly<Record<string, string>>
  readonly everyMs: number | undefined
  readonly countHits: boolean
}

export const DEFAULT_CONCURRENCY = 2
const SHORTEST_EVERY_MS = 1000
/** A timer of Node that is to wait for 25 days fires at once. */
const LONGEST_EVERY_MS = 24 * 86_400_000

const every: Rule = {
  expected: 'a duration from 1 second (\'1s\') to 24 days (\'24d\')',
  accepts (value) {
    const ms = durationToMs(value)
    return ms !== undefined && ms >= SHORTEST_EVERY_MS && ms <= LONGEST_EVERY_MS
  }
}

const CALL_RULES: Rules<WarmOptions> = {
  concurrency: positiveInteger,
  headers: headerFields,
  onProgress: { expected: 'a function or false', accepts: (value) => value === false || func.accepts(value) },
  signal: { expected: 'an AbortSignal', accepts: (value) => value instanceof AbortSignal }
}

const PLUGIN_RULES: Rules<WarmPluginOptions> = {
  concurrency: positiveInteger,
  headers: headerFields,
  targets: { expected: 'a list of targets, or a function that gives one', accepts: (value) => Array.isArray(value) || typeof value === 'function' },
  every,
  countHits: boolean
}

/** The options of a call. Errors: every `RESPONSE_CACHE_ERR_OPTION_*`. */
export function checkWarmOptions (options: WarmOptions): Required<Pick<WarmOptions, 'concurrency' | 'headers'>> & WarmOptions {
  checkOptions<WarmOptions>(options, CALL_RULES, 'the options of warm()')
  return { ...options, concurrency: options.concurrency ?? DEFAULT_CONCURRENCY, headers: lowerCase(options.headers ?? {}) }
}

/** Targets of a list are checked as well. Errors: every `RESPONSE_CACHE_ERR_OPTION_*`, `RESPONSE_CACHE_ERR_TARGET_INVALID`. */
export function warmSettings (option: WarmPluginOption, where: string): WarmSettings {
  const options: WarmPluginOptions = isList(option) ? { targets: option } : option
  checkOptions<WarmPluginOptions>(options, PLUGIN_RULES, `warm in ${where}`)
  const { targets, every, concurrency = DEFAULT_CONCURRENCY, headers = {} } = options
  if (every !== undefined && targets === undefined) throw new InvalidOptionError('targets', `warm in ${where}`, expectedGot('what to warm at the interval "every"', targets))
  const checked = isList(targets) ? targets.map((target) => checkTarget(target, `warm in ${where}`)) : []
  return {
    targets: isList(targets) ? [...targets] : targets,
    concurrency,
    headers: lowerCase(headers),
    everyMs: durationToMs(every),
    countHits: options.countHits ?? checked.some(({ kind }) => kind === 'hottest')
  }
}

function isList (value: unknown): value is readonly WarmTarget[] {
  return Array.isArray(value)
}
