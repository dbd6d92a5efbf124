import type { PagedEntry } from '../store/store.ts'

/** Upper bounds of the classes that times to live are counted in, in seconds: below a minute, 5 minutes, an hour, a day, and more. */
export const TTL_BOUNDS = [60, 300, 3600, 86_400] as const

/** What is stored, by namespace. */
export interface Contents {
  /** Entries that were looked at. */
  readonly scanned: number
  /** Whether these were all. Otherwise `entries` and `bytes` of the namespaces are estimates from `share`; without one they are of what was looked at. */
  readonly isComplete: boolean
  /** About how large a part of what is stored was looked at, from 0 to 1. */
  readonly share?: number
  readonly namespaces: Readonly<Record<string, NamespaceContents>>
}

export interface NamespaceContents {
  readonly entries: number
  /** Of bodies, as they are stored. */
  readonly bytes: number
  /** How many of those that were looked at go within the times of `TTL_BOUNDS`, and last how many later or never. */
  readonly ttl: { readonly classes: readonly number[] }
}

/** Adds up entries, each once. */
export class ContentsCount {
  readonly #met = new Set<string>()
  readonly #namespaces = new Map<string, { entries: number, bytes: number, classes: number[] }>()

  get scanned (): number {
    return this.#met.size
  }

  add ({ id, bodyBytes, ttlMs = Infinity }: PagedEntry): void {
    if (this.#met.has(id)) return
    this.#met.add(id)
    const name = id.split(':', 1)[0]!
    const counted = this.#namespaces.get(name) ?? { entries: 0, bytes: 0, classes: Array.from({ length: TTL_BOUNDS.length + 1 }, () => 0) }
    const index = TTL_BOUNDS.findIndex((bound) => ttlMs < bound * 1000)
    counted.entries++
    counted.bytes += bodyBytes
    counted.classes[index === -1 ? TTL_BOUNDS.length : index]!++
    this.#namespaces.set(name, counted)
  }

  /** `share`: of all, as far as it is known. */
  contents ({ isComplete, share }: { isComplete: boolean, share: number | undefined }): Contents {
    const factor = isComplete || share === undefined || share <= 0 ? 1 : 1 / Math.min(1, share)
    const namespaces = [...this.#namespaces].map(([name, { entries, bytes, classes }]) =>
      [name, { entries: Math.round(entries * factor), bytes: Math.round(bytes * factor), ttl: { classes } }] as const)
    return { scanned: this.scanned, isComplete, ...isComplete || share === undefined ? {} : { share }, namespaces: Object.fromEntries(namespaces) }
  }
}
