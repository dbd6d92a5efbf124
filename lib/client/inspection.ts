import { describe, InvalidKeyError } from '../errors.ts'
import { bodyStart } from '../inspect/body-start.ts'
import { ContentsCount, type Contents } from '../inspect/contents.ts'
import { belongsUnder } from '../inspect/key-material.ts'
import { detailsOf, summaryOf, type EntryDetails, type EntrySummary, type Judging } from '../inspect/summaries.ts'
import { globMatches } from '../marks/glob.ts'
import { literalHead } from '../marks/literal-head.ts'
import { checkOptions, type Rule, type Rules } from '../options/check.ts'
import type { CacheSettings } from '../options/resolve.ts'
import type { GuardedStore } from '../store/guarded-store.ts'
import type { PageOptions } from '../store/store.ts'
import { InvalidationClient } from './invalidation.ts'

/** Options of `entries`. */
export interface EntriesOptions {
  /** Only of this namespace. */
  namespace?: string | undefined
  /** Only keys that match this glob, as in `invalidatePattern`: `user:123:*`. */
  match?: string | undefined
  /** Where to go on: what the call before has given. */
  cursor?: string | undefined
  /**
   * So many entries at once, up to 1000. There may be fewer, and none, although there are more to come, and a few more where Redis has
   * several keys in one place. Default 100.
   */
  limit?: number | undefined
}

/** Some of the entries. */
export interface EntriesPage {
  readonly entries: EntrySummary[]
  /** For the next call. Without it that was all. */
  readonly cursor?: string
}

/** Options of `inspect`. */
export interface InspectOptions {
  /** So many bytes of the body at most, up to 10 MB. Default 0: the body is left out. */
  body?: number | undefined
}

/** Options of `sample`. */
export interface SampleOptions {
  /** No more entries than this are looked at, up to 10,000. Default 1000. */
  most?: number | undefined
}

/** Characters. Ids of responses with much in them that is written as `%…` are longer than keys of values may be. */
const LONGEST_ID = 2048
const MOST_ENTRIES = 1000
const MOST_SAMPLED = 10_000
/** Where Redis is full of other keys, a sample ends without having found as much as it might. */
const MOST_PAGES = 20
const MOST_BODY_BYTES = 10_000_000

const text: Rule = { expected: 'a text of at least one character', accepts: (value) => typeof value === 'string' && value !== '' }
const namespace: Rule = { expected: 'a name without a colon', accepts: (value) => typeof value === 'string' && value !== '' && !value.includes(':') }

const ENTRIES_RULES: Rules<EntriesOptions> = { namespace, match: text, cursor: text, limit: upTo(MOST_ENTRIES, 1) }
const INSPECT_RULES: Rules<InspectOptions> = { body: upTo(MOST_BODY_BYTES, 0) }
const SAMPLE_RULES: Rules<SampleOptions> = { most: upTo(MOST_SAMPLED, 1) }

/**
 * The part of the client that looks at what is stored. It changes nothing and does not count as use. What no look-up would give is left out:
 * what is damaged, and what belongs to somebody else.
 */
export class InspectionClient extends InvalidationClient {
  readonly #store: GuardedStore
  readonly #settings: CacheSettings

  constructor (...args: ConstructorParameters<typeof InvalidationClient>) {
    super(...args)
    const [store, settings] = args
    this.#store = store
    this.#settings = settings
  }

  /**
   * What is stored, some entries at a time, in no order. An entry that is there from the first call to the last is met, perhaps twice.
   * Each call does little: among many keys of others it may find nothing, and give a cursor to go on with.
   *
   * Errors: `RESPONSE_CACHE_ERR_OPTION_*`, also for a cursor of something else, `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE`, and
   * `RESPONSE_CACHE_ERR_STORE_UNSUPPORTED` for a store of your own without `page`.
   */
  async entries (options: EntriesOptions = {}): Promise<EntriesPage> {
    this.assertOpen()
    checkOptions<EntriesOptions>(options, ENTRIES_RULES, 'the options of entries()')
    if (!this.#settings.enabled) return { entries: [] }
    const { cursor, limit = 100 } = options
    const filter = filterOf(options)
    const page = await this.#store.contents.page({ cursor, limit, ...filter })
    const judging = this.#judging
    const own = page.entries.filter(({ id, header }) => belongsUnder(id, header) && (filter.isWanted?.(id) ?? true))
    return { entries: own.map((entry) => summaryOf(entry, judging)), ...page.cursor === undefined ? {} : { cursor: page.cursor } }
  }

  /**
   * What is stored under a key: that of a value, or what `X-Cache-Key` shows behind the prefix. `undefined` where nothing is. It may be
   * personal: show it only to who may see everything.
   *
   * Errors: `RESPONSE_CACHE_ERR_KEY_INVALID`, `RESPONSE_CACHE_ERR_OPTION_*`, `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE`, and
   * `RESPONSE_CACHE_ERR_STORE_UNSUPPORTED` for a store of your own without `read`.
   */
  async inspect (key: string, options: InspectOptions = {}): Promise<EntryDetails | undefined> {
    this.assertOpen()
    checkOptions<InspectOptions>(options, INSPECT_RULES, 'the options of inspect()')
    if (typeof key !== 'string' || key === '' || key.length > LONGEST_ID) throw new InvalidKeyError(LONGEST_ID, describe(key))
    if (!this.#settings.enabled) return undefined
    const found = await this.#store.contents.read(key)
    if (found === undefined || !belongsUnder(key, found.entry)) return undefined
    const { body, ...header } = found.entry
    const details = detailsOf({ id: key, header, bodyBytes: body.length, ttlMs: found.ttlMs }, this.#judging)
    const { body: most = 0 } = options
    return most === 0 ? details : { ...details, body: await bodyStart(found.entry, most) }
  }

  /**
   * How much is stored, by namespace, and for how much longer. It looks at some entries at most, and estimates from them how many there are
   * in all. Errors as for `entries`.
   */
  async sample (options: SampleOptions = {}): Promise<Contents> {
    this.assertOpen()
    checkOptions<SampleOptions>(options, SAMPLE_RULES, 'the options of sample()')
    const { most = MOST_ENTRIES } = options
    const count = new ContentsCount()
    let share: number | undefined = 0
    let cursor: string | undefined
    for (let pages = 0; this.#settings.enabled && pages < MOST_PAGES && count.scanned < most; pages++) {
      const page = await this.#store.contents.page({ cursor, limit: Math.min(MOST_ENTRIES, most - count.scanned), head: '', isSample: true })
      for (const entry of page.entries) if (belongsUnder(entry.id, entry.header)) count.add(entry)
      share = share === undefined || page.share === undefined ? undefined : share + page.share
      cursor = page.cursor
      if (cursor === undefined) break
    }
    return count.contents({ isComplete: cursor === undefined, share })
  }

  get #judging (): Judging {
    return { ledger: this.#store.marks.ledger, now: this.#settings.clock() }
  }
}

/** Both together; `head` is what all such ids begin with. */
function filterOf ({ namespace, match }: EntriesOptions): Pick<PageOptions, 'head' | 'isWanted'> {
  if (namespace === undefined && match === undefined) return { head: '' }
  const [name, glob] = [namespace?.toWellFormed(), match?.toWellFormed()]
  const heads = [name ?? '', glob === undefined ? '' : literalHead(glob)]
  return {
    head: heads[0]!.length > heads[1]!.length ? heads[0]! : heads[1]!,
    isWanted (id) {
      const whole = id.toWellFormed()
      return (name === undefined || whole === name || whole.startsWith(`${name}:`)) && (glob === undefined || globMatches(glob, whole))
    }
  }
}

function upTo (most: number, least: number): Rule {
  return { expected: `a whole number from ${least} to ${most}`, accepts: (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most }
}
