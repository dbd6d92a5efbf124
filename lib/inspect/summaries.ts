import { useOf } from '../http/freshness.ts'
import { isSecretField } from '../http/request-fields.ts'
import type { HeaderField } from '../http/stored-fields.ts'
import type { MarkLedger } from '../marks/ledger.ts'
import type { EntryHeader, PagedEntry } from '../store/store.ts'
import { codingOf } from './body-start.ts'
import { isPerUser } from './key-material.ts'
import { causeInWords, readableLabel, type ReadableLabel } from './label-words.ts'

/** What is stored under a key, in short. */
export interface EntrySummary {
  /** What `invalidateKey` takes, and `X-Cache-Key` shows behind the prefix. */
  readonly key: string
  /** `variants`: what the responses of a key are selected by, which are entries of their own. */
  readonly kind: 'response' | 'value' | 'variants'
  readonly namespace: string
  /** Invalidated: not used any more. Stale: also what was invalidated softly, and may be served as stale. */
  readonly state: 'fresh' | 'stale' | 'invalidated'
  /** Milliseconds since the epoch. */
  readonly storedAt: number
  /** Seconds until it goes, in fractions. Without it it stays. */
  readonly ttl?: number
  /** Of responses: seconds until it is stale, in fractions; 0 or negative when it is. */
  readonly freshFor?: number
  /** Of the body, as it is stored. */
  readonly bytes: number
  /** Of responses. */
  readonly status?: number
  readonly tags: string[]
  /** What an invalidation finds it by, besides its key. */
  readonly labels: ReadableLabel[]
  /** Made for one user or role (`varyByUser`), or for who sends one credential (`varyByHeaders`) or one value of a cookie (`varyByCookies`). Of an own `key` nobody knows. */
  readonly isPerUser: boolean
}

/** What is stored under a key. */
export interface EntryDetails extends EntrySummary {
  /** Of responses: what a hit repeats. */
  readonly headers?: HeaderField[]
  /** What `invalidateUser` finds it by. */
  readonly user?: string
  /** Seconds since it was made, in fractions. */
  readonly age: number
  /** Of responses: how long the handler took, in milliseconds. */
  readonly costMs?: number
  /** Of responses: request header fields that selected it, `null` for one that was absent. Values that say who asked are hidden. */
  readonly vary?: Array<readonly [name: string, value: string | null]>
  /** Of responses: the content coding of the stored body. */
  readonly coding?: string
  /** The beginning of the body, decoded of its coding, where it was asked for. A value that is no bytes is text, as `util.inspect` writes it. */
  readonly body?: Buffer
  /** What has invalidated it, such as `tag "user:1"`. */
  readonly invalidatedBy?: string
}

/** By what entries are judged. */
export interface Judging {
  readonly ledger: MarkLedger
  /** Milliseconds since the epoch. */
  readonly now: number
}

export function summaryOf ({ id, header, bodyBytes, ttlMs }: PagedEntry, judging: Judging): EntrySummary {
  return {
    key: id,
    kind: header.kind,
    namespace: id.split(':', 1)[0]!,
    state: stateOf(id, header, judging),
    storedAt: header.storedAt,
    ...ttlMs === undefined ? {} : { ttl: ttlMs / 1000 },
    ...header.kind === 'response' ? { freshFor: freshFor(id, header, judging), status: header.status } : {},
    bytes: bodyBytes,
    tags: header.labels.filter((label) => label.startsWith('t:')).map((label) => label.slice(2)),
    labels: header.labels.map(readableLabel),
    isPerUser: isPerUser(header)
  }
}

/** Without its body. */
export function detailsOf (entry: PagedEntry, judging: Judging): EntryDetails {
  const { id, header } = entry
  const cause = judging.ledger.causeOf(header, { id })
  const user = header.labels.find((label) => label.startsWith('u:'))
  return {
    ...summaryOf(entry, judging),
    ...user === undefined ? {} : { user: user.slice(2) },
    age: Math.max(0, judging.now - header.storedAt + (header.kind === 'response' ? header.ageMs : 0)) / 1000,
    ...header.kind === 'response' ? responseDetails(header) : {},
    ...cause === undefined ? {} : { invalidatedBy: causeInWords(cause) }
  }
}

function responseDetails (header: Extract<EntryHeader, { kind: 'response' }>): Pick<EntryDetails, 'headers' | 'costMs' | 'vary' | 'coding'> {
  const coding = codingOf(header)
  return {
    headers: [...header.headers],
    costMs: header.costMs,
    vary: header.vary.map(([name, value]) => [name, value !== null && isSecretField(name) ? 'hidden' : value]),
    ...coding === undefined ? {} : { coding }
  }
}

function stateOf (id: string, header: EntryHeader, { ledger, now }: Judging): EntrySummary['state'] {
  const verdict = ledger.verdict(header, { id })
  // Only responses are served stale.
  if (verdict === 'dead' || (verdict === 'stale' && header.kind === 'value')) return 'invalidated'
  if (header.kind !== 'response') return 'fresh'
  return useOf(header, now, verdict === 'stale') === 'fresh' ? 'fresh' : 'stale'
}

function freshFor (id: string, header: Extract<EntryHeader, { kind: 'response' }>, { ledger, now }: Judging): number {
  const leftMs = header.staleAt - now
  return (ledger.verdict(header, { id }) === 'live' ? leftMs : Math.min(0, leftMs)) / 1000
}
