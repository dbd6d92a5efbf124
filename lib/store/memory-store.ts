import { LRUCache } from 'lru-cache'
import { entryBytes, type Entry } from '../stored-entry.ts'
import type { Store, StoreKey } from './store.ts'

interface Slot {
  readonly entry: Entry
  expiresAt: number
}

/** Entries in this process, bounded in bytes; the least recently used go first. */
export class MemoryStore implements Store {
  readonly #slots: LRUCache<string, Slot>
  readonly #now: () => number

  constructor ({ maxBytes, clock }: { maxBytes: number, clock: () => number }) {
    // An entry larger than the bound is never kept.
    this.#slots = new LRUCache({ maxSize: maxBytes, maxEntrySize: maxBytes, sizeCalculation: (slot) => entryBytes(slot.entry) })
    this.#now = clock
  }

  get (key: StoreKey): Entry | undefined {
    return this.#live(key)?.entry
  }

  set (key: StoreKey, entry: Entry, ttlMs: number): void {
    this.#slots.set(key.text, { entry, expiresAt: this.#now() + ttlMs })
  }

  delete (key: StoreKey): boolean {
    const existed = this.#live(key) !== undefined
    this.#slots.delete(key.text)
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

  ping (): void {}

  connect (): void {}

  close (): void {
    this.#slots.clear()
  }

  #live (key: StoreKey): Slot | undefined {
    const slot = this.#slots.get(key.text)
    if (slot === undefined || slot.expiresAt > this.#now()) return slot
    this.#slots.delete(key.text)
    return undefined
  }
}
