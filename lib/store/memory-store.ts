import { entryBytes, type Entry } from '../stored-entry.ts'
import type { Store, StoreKey } from './store.ts'

interface Slot {
  readonly entry: Entry
  readonly bytes: number
  expiresAt: number
  /** Read since it was last considered for eviction. */
  visited: boolean
}

/**
 * Entries in this process, bounded in bytes. A hit only sets a flag. To make room the oldest entry goes, but one that was read
 * since gets a second chance as the newest.
 */
export class MemoryStore implements Store {
  readonly #slots = new Map<string, Slot>()
  readonly #maxBytes: number
  readonly #now: () => number
  #bytes = 0

  constructor ({ maxBytes, clock }: { maxBytes: number, clock: () => number }) {
    this.#maxBytes = maxBytes
    this.#now = clock
  }

  get (key: StoreKey): Entry | undefined {
    const slot = this.#live(key)
    if (slot === undefined) return undefined
    slot.visited = true
    return slot.entry
  }

  /** An entry larger than the bound is not kept, and the one it would have replaced is gone. */
  set (key: StoreKey, entry: Entry, ttlMs: number): void {
    this.#remove(key.text)
    const bytes = entryBytes(entry)
    if (bytes > this.#maxBytes) return
    this.#slots.set(key.text, { entry, bytes, expiresAt: this.#now() + ttlMs, visited: false })
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

  ping (): void {}

  connect (): void {}

  close (): void {
    this.#slots.clear()
    this.#bytes = 0
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
        this.#remove(text)
      }
    }
  }
}
