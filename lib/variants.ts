import { digest, encodeValue, type ResponseKey } from './cache-key.ts'
import { selectingValue, variantValue, type RequestHeaders } from './http/vary.ts'
import { UNAVAILABLE, type GuardedStore } from './store/guarded-store.ts'
import type { FillStamp } from './marks/ledger.ts'
import { begunAt, type Entry, type StoredResponse, type StoredVariants } from './stored-entry.ts'

/*
 * Responses of one key that differ by request header fields (RFC 9111 section 4.1) are kept under keys of their own, made of the key and
 * the values of those fields. Under the key itself stands what the fields are, and which variants there are. Each process remembers it, so
 * that a hit is one read.
 */

/** What is known of the responses of one key. */
interface Known {
  /** The request header fields that select them, sorted. */
  readonly names: readonly string[]
  /** The variants there are by digest, the one that goes next first. */
  readonly variants: ReadonlyMap<string, Use>
  /** So long the store knows it at least, by the cache's clock. */
  readonly until: number
  /** Keys by what was sent, so that a hit needs no digest. */
  readonly sent: Map<string, Sent>
}

interface Use {
  /** By this process, since it was last considered to be pushed out. */
  wasAskedFor: boolean
}

interface Sent {
  readonly key: ResponseKey
  /** Of a variant that is listed. */
  readonly use: Use | undefined
}

/** What is to be written of a response, next to what the store has. */
interface Listing {
  readonly there: StoredVariants | undefined
  /** Variants that other requests of this process have stored meanwhile. */
  readonly since: readonly string[]
  readonly keepMs: number
  readonly headers: RequestHeaders
}

/** Clients choose the values of header fields: with more variants one is pushed out. */
const MOST_VARIANTS = 50
const MOST_NAMES = 16
const MOST_KNOWN = 2000
/** Characters of a key that is remembered: clients choose how long a key is. */
const LONGEST_KNOWN = 1000
/** What was sent, of each key. */
const MOST_SENT = 8
const LONGEST_SENT = 200

export class Variants {
  readonly #store: GuardedStore
  readonly #now: () => number
  readonly #most: number
  readonly #known = new Map<string, Known>()

  constructor ({ store, clock, most = MOST_VARIANTS }: { store: GuardedStore, clock: () => number, most?: number }) {
    this.#store = store
    this.#now = clock
    this.#most = most
  }

  /** Where the response to such a request is, as far as this process knows. Every look-up comes here. */
  keyFor (key: ResponseKey, headers: RequestHeaders): ResponseKey {
    if (this.#known.size === 0) return key
    const known = this.#known.get(key.text)
    return known === undefined ? key : keyOf(key, known, headers)
  }

  /** The same, by what the store says. */
  learnFrom (entry: StoredVariants, key: ResponseKey, headers: RequestHeaders): ResponseKey {
    return keyOf(key, this.#remember(key, entry), headers)
  }

  /** What is known to select the response to such a request, with the values of this one. */
  selecting (key: ResponseKey, headers: RequestHeaders): StoredResponse['vary'] {
    return (this.#known.get(key.text)?.names ?? []).map((name) => [name, variantValue(headers, name)])
  }

  /** Whether there is such a variant, or was a moment ago. */
  isListed (key: ResponseKey, headers: RequestHeaders): boolean {
    const known = this.#known.get(key.text)
    return known?.variants.has(variantDigest(known.names, headers)) ?? false
  }

  /** A response says what it was selected by. Gives the key it is for. */
  learn (key: ResponseKey, { vary, headers }: { vary: StoredResponse['vary'], headers: RequestHeaders }): ResponseKey {
    const known = this.#known.get(key.text)
    if (known === undefined && vary.length === 0) return key
    if (known !== undefined && covers(known.names, vary)) return keyOf(key, known, headers)
    const names = union(known?.names ?? [], vary)
    return keyOf(key, this.#remember(key, { names, digests: digestsOf(known), until: -Infinity }), headers)
  }

  /** Makes sure that all processes can find a response that is about to be stored for `keepMs`. Gives its key, or `undefined` when the store fails. */
  async list (key: ResponseKey, response: StoredResponse, { keepMs, headers }: { keepMs: number, headers: RequestHeaders }): Promise<ResponseKey | undefined> {
    const known = this.#known.get(key.text)
    if (known === undefined && response.vary.length === 0) return key
    const isKnown = known !== undefined && known.until >= this.#now() + keepMs && covers(known.names, response.vary)
    if (isKnown && known.variants.has(variantDigest(known.names, headers))) return keyOf(key, known, headers)
    const found = await this.#store.getLatest(key)
    const there = isVariants(found, key) ? found : undefined
    // What another process has pushed out is not listed again; what requests of this one have found since is.
    const since = digestsOf(this.#known.get(key.text)).filter((one) => there === undefined || known?.variants.has(one) !== true)
    if (there === undefined && response.vary.length === 0) {
      this.#known.delete(key.text)
      return key
    }
    return await this.#write(key, response, { there, since, keepMs, headers })
  }

  async #write (key: ResponseKey, response: StoredResponse, { there, since, keepMs, headers }: Listing): Promise<ResponseKey | undefined> {
    const names = union(union(there?.names ?? [], (this.#known.get(key.text)?.names ?? []).map((name) => [name])), response.vary)
    const own = variantDigest(names, headers)
    const { digests, dropped } = this.#choose(key, [...new Set([...there?.digests ?? [], ...since, own])], own)
    // Longer than needed, so that not every response has it written again.
    const listed = { names, digests, until: this.#now() + 2 * keepMs }
    this.#remember(key, listed)
    for (const digest of dropped) this.#store.delete(key.variant(digest)).catch(() => {}) // said by the store's guard; it goes by its time to live
    // It knows what is there as well, and is not to be taken for older than that.
    const storedAt = Math.max(begunAt(response), there === undefined ? -Infinity : begunAt(there))
    const entry: StoredVariants = {
      kind: 'variants', key: key.text, storedAt, costMs: 0, filled: later(there?.filled, response.filled), labels: [], ...listed, body: Buffer.alloc(0)
    }
    return await this.#store.set(key, entry, 2 * keepMs) ? key.variant(own) : undefined
  }

  /** Which variants stay: the oldest go, but one that was asked for since gets a second chance as the newest. */
  #choose (key: ResponseKey, digests: string[], own: string): { digests: string[], dropped: string[] } {
    const variants = this.#known.get(key.text)?.variants
    const dropped: string[] = []
    for (let chances = digests.length; digests.length > this.#most; chances--) {
      const oldest = digests.shift()!
      const use = variants?.get(oldest)
      const stays = oldest === own || (use?.wasAskedFor === true && chances > 0)
      if (use !== undefined) use.wasAskedFor = false
      if (stays) digests.push(oldest)
      else dropped.push(oldest)
    }
    return { digests, dropped }
  }

  #remember (key: ResponseKey, { names, digests, until }: Pick<StoredVariants, 'names' | 'digests' | 'until'>): Known {
    const before = this.#known.get(key.text)?.variants
    const variants = new Map(digests.slice(-this.#most).map((digest) => [digest, before?.get(digest) ?? { wasAskedFor: false }]))
    const known: Known = { names, variants, until, sent: new Map() }
    if (key.text.length > LONGEST_KNOWN) return known
    this.#known.delete(key.text) // so that the oldest come first
    this.#known.set(key.text, known)
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!)
    return known
  }
}

export function isVariants (entry: Entry | undefined | typeof UNAVAILABLE, key: ResponseKey): entry is StoredVariants {
  return entry !== undefined && entry !== UNAVAILABLE && entry.kind === 'variants' && entry.key === key.text
}

/** Of the variant for such a request. */
function keyOf (key: ResponseKey, known: Known, headers: RequestHeaders): ResponseKey {
  let text = ''
  for (const name of known.names) {
    const value = selectingValue(headers, name)
    text += value === null ? `${name}:-;` : `${name}:${value.length}:${value};`
  }
  let sent = known.sent.get(text)
  if (sent === undefined) {
    const digest = variantDigest(known.names, headers)
    sent = { key: key.variant(digest), use: known.variants.get(digest) }
    if (known.sent.size >= MOST_SENT) known.sent.clear()
    if (text.length <= LONGEST_SENT) known.sent.set(text, sent)
  }
  if (sent.use !== undefined) sent.use.wasAskedFor = true
  return sent.key
}

function digestsOf (known: Known | undefined): string[] {
  return [...known?.variants.keys() ?? []]
}

function variantDigest (names: readonly string[], headers: RequestHeaders): string {
  return digest(encodeValue(names.map((name) => [name, variantValue(headers, name)])))
}

function covers (names: readonly string[], vary: StoredResponse['vary']): boolean {
  return vary.every(([name]) => names.includes(name))
}

/** More names than are sensible are not added up; those of `vary` are always there. */
function union (names: readonly string[], vary: ReadonlyArray<readonly [name: string, ...rest: unknown[]]>): readonly string[] {
  const own = vary.map(([name]) => name)
  const all = [...new Set([...names, ...own])]
  return (all.length > MOST_NAMES ? own : all).sort()
}

/** So that what is written, which knows both, is not taken for older than what is there. */
function later (one: FillStamp | undefined, other: FillStamp): FillStamp {
  return one !== undefined && one.incarnation === other.incarnation && one.stamp > other.stamp ? one : other
}
