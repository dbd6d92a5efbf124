import { setImmediate as nextTurn } from 'node:timers/promises'
import { InvalidOptionError } from '../errors.ts'
import { globMatches } from '../marks/glob.ts'
import { entryBytes, isNewer, type Entry } from '../stored-entry.ts'
import type { DeleteValuesOptions, IsDead, Page, PageOptions, ReadEntry, Store, StoreKey, Swept, WalkOptions, MemoryStats } from './store.ts'

/** How many entries are looked at in one turn of the event loop: fewer when that takes long, as with a glob that fits almost. */
const [FIRST_CHUNK, LARGEST_CHUNK] = [32, 512]
const TURN_MS = 5

interface Slot {
  readonly key: StoreKey
  readonly entry: Entry
  readonly bytes: number
  /** Where pages have it: the same for all entries of a key. */
  readonly place: number
  expiresAt: number
  /** Read since it was last considered for eviction. */
  visited: boolean
}

/** Places are numbers below this, spread so that each part of them has entries of every age (Knuth, The Art of Computer Programming 3, section 6.4). */
const PLACES = 2 ** 31
const NEXT_PLACE = 0x9E3779B9

/**
 * Entries in this process, bounded in bytes. A hit only sets a flag. To make room the oldest entry goes, but one that was read
 * since gets a second chance as the newest.
 */
export class MemoryStore implements Store {
  readonly #slots = new Map<string, Slot>()
  readonly #maxBytes: number
  readonly #now: () => number
  readonly #overhead: number
  #bytes = 0
  #evictions = 0
  #place = 0

  /** `overhead`: what an entry takes besides its own bytes. */
  constructor ({ maxBytes, clock, overhead = 0 }: { maxBytes: number, clock: () => number, overhead?: number }) {
    this.#overhead = overhead
    this.#maxBytes = maxBytes
    this.#now = clock
  }

  get (key: StoreKey): Entry | undefined {
    const slot = this.#live(key)
    if (slot === undefined) return undefined
    slot.visited = true
    return slot.entry
  }

  /** An entry larger than the bound is not kept, and the one it would have replaced is gone. A newer one stays. */
  set (key: StoreKey, entry: Entry, ttlMs: number): void {
    const there = this.#live(key)
    if (there !== undefined && isNewer(there.entry, entry)) return
    this.#remove(key.text)
    const bytes = entryBytes(entry) + this.#overhead
    if (bytes > this.#maxBytes) return
    this.#slots.set(key.text, { key, entry, bytes, place: there?.place ?? this.#nextPlace(), expiresAt: this.#now() + ttlMs, visited: false })
    this.#bytes += bytes
    this.#makeRoom()
  }

  delete (key: StoreKey): boolean {
    const existed = this.#live(key) !== undefined
    this.#remove(key.text)
    return existed
  }

  expire (key: StoreKey, ttlMs: number): boolean {
    const slot = this.#live(key)
    if (slot === undefined) return false
    slot.expiresAt = this.#now() + ttlMs
    return true
  }

  ttlMs (key: StoreKey): number | undefined {
    const slot = this.#live(key)
    return slot === undefined ? undefined : slot.expiresAt - this.#now()
  }

  /** Removes the values of the client whose keys match a glob; gives their number. */
  async deleteValues (glob: string, { signal, onRemoved }: DeleteValuesOptions = {}): Promise<number> {
    const wanted = glob.toWellFormed()
    let removed = 0
    await this.#walk(signal, async (slots) => {
      const gone = slots.filter(({ entry, key }) => entry.kind === 'value' && globMatches(wanted, key.id.toWellFormed()))
      for (const { key } of gone) if (this.delete(key)) removed++
      if (gone.length > 0) await onRemoved?.(gone.map(({ key }) => key.id))
    })
    return removed
  }

  /** Judges all entries and removes the dead ones, and those whose time is over. */
  async sweep (isDead: IsDead, { signal }: WalkOptions = {}): Promise<Swept> {
    let scanned = 0
    let removed = 0
    await this.#walk(signal, async (slots) => {
      const dead = slots.filter(({ entry, key, expiresAt }) => expiresAt <= this.#now() || isDead(entry, key))
      for (const { key } of dead) this.#remove(key.text)
      scanned += slots.length
      removed += dead.length
    })
    return { scanned, removed }
  }

  /** In the order of their places, which does not change, whatever is stored and moved meanwhile. */
  async page ({ cursor, limit, head, isWanted, isSample = false, signal }: PageOptions): Promise<Page> {
    const after = placeOf(cursor)
    const isIn = ({ place, key, expiresAt }: Slot): boolean => place > after && expiresAt > this.#now() &&
      (head === '' || key.id.startsWith(head)) && (isWanted === undefined || isWanted(key.id))
    const size = this.#slots.size
    let page: Slot[] = []
    let isMore = false
    await this.#walk(signal, async (slots) => {
      const last = page.length < limit ? Infinity : page.at(-1)!.place
      const found = slots.filter(isIn)
      const fitting = found.filter(({ place }) => place <= last)
      // What was replaced meanwhile is there twice.
      const all = fitting.length === 0 ? page : [...new Map([...page, ...fitting].map((slot) => [slot.place, slot])).values()].sort((a, b) => a.place - b.place)
      isMore ||= fitting.length < found.length || all.length > limit
      page = all.slice(0, limit)
    })
    return {
      entries: page.map(({ key, entry: { body, ...header }, expiresAt }) => ({ id: key.id, header, bodyBytes: body.length, ttlMs: expiresAt - this.#now() })),
      ...isMore ? { cursor: String(page.at(-1)!.place) } : {},
      ...isSample ? { share: size === 0 ? 1 : Math.min(1, page.length / size) } : {}
    }
  }

  async read (id: string): Promise<ReadEntry | undefined> {
    const byText = this.#slots.get(id)
    let slot = byText?.key.id === id ? byText : undefined
    if (slot === undefined) await this.#walk(undefined, async (slots) => { slot = slots.find(({ key }) => key.id === id) ?? slot })
    if (slot === undefined || slot.expiresAt <= this.#now()) return undefined
    return { entry: slot.entry, ttlMs: slot.expiresAt - this.#now() }
  }

  memoryStats (): MemoryStats {
    return { entries: this.#slots.size, bytes: this.#bytes, maxBytes: this.#maxBytes, evictions: this.#evictions }
  }

  ping (): void {}

  connect (): void {}

  close (): void {
    this.#slots.clear()
    this.#bytes = 0
  }

  /**
   * Visits what is there, some entries in each turn of the event loop. What is put behind meanwhile is met too, but a walk does not
   * run after those who keep storing: it ends after twice as many entries as there were.
   */
  async #walk (signal: AbortSignal | undefined, visit: (slots: Slot[]) => Promise<void>): Promise<void> {
    signal?.throwIfAborted()
    const slots = this.#slots.values()
    let size = FIRST_CHUNK
    for (let left = 2 * this.#slots.size; left > 0;) {
      const chunk = next(slots, size)
      const begin = performance.now()
      const visited = visit(chunk)
      const isSlow = performance.now() - begin > TURN_MS
      await visited
      if (chunk.length < size) return
      left -= size
      size = isSlow ? Math.ceil(size / 4) : Math.min(2 * size, LARGEST_CHUNK)
      await nextTurn()
      signal?.throwIfAborted()
    }
  }

  #nextPlace (): number {
    this.#place = (this.#place + NEXT_PLACE) % PLACES
    return this.#place
  }

  #live (key: StoreKey): Slot | undefined {
    const slot = this.#slots.get(key.text)
    if (slot === undefined || slot.expiresAt > this.#now()) return slot
    this.#remove(key.text)
    return undefined
  }

  #remove (text: string): void {
    const slot = this.#slots.get(text)
    if (slot === undefined) return
    this.#slots.delete(text)
    this.#bytes -= slot.bytes
  }

  /** A Map keeps its order, and goes on to what is put behind while it is walked: every entry is met unvisited at last. */
  #makeRoom (): void {
    const now = this.#now()
    for (const [text, slot] of this.#slots) {
      if (this.#bytes <= this.#maxBytes) return
      if (slot.visited && slot.expiresAt > now) {
        slot.visited = false
        this.#slots.delete(text)
        this.#slots.set(text, slot)
      } else {
        if (slot.expiresAt > now) this.#evictions++
        this.#remove(text)
      }
    }
  }
}

function placeOf (cursor: string | undefined): number {
  if (cursor === undefined) return -1
  if (!/^\d{1,10}$/.test(cursor)) throw new InvalidOptionError('cursor', 'the options of entries()', 'expected one that entries() has given')
  return Number(cursor)
}

/** Up to `count` more of an iterator, which goes on where it stands. */
function next<T> (items: Iterator<T, undefined>, count: number): T[] {
  const found: T[] = []
  while (found.length < count) {
    const { done, value } = items.next()
    if (done === true) break
    found.push(value)
  }
  return found
}
