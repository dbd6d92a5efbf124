import { isPromise, type MaybePromise } from './store.ts'

/** Writes that are on their way, bounded in number and bytes. A store that does not answer would keep them all. */
export class PendingWrites {
  readonly #most: number
  readonly #mostBytes: number
  #bytes = 0
  size = 0
  /** Writes that were not tried, since the start. */
  dropped = 0

  constructor ({ pendingWrites, pendingWriteBytes }: { readonly pendingWrites: number, readonly pendingWriteBytes: number }) {
    this.#most = pendingWrites
    this.#mostBytes = pendingWriteBytes
  }

  /** Whether there is room. Alone, a write may be larger than all together. */
  admits (bytes: number): boolean {
    return this.size < this.#most && (this.size === 0 || this.#bytes + bytes <= this.#mostBytes)
  }

  /** It is on its way until the store has answered, however late: so long it takes memory. */
  track (written: MaybePromise<void>, bytes: number): MaybePromise<void> {
    if (!isPromise(written)) return
    this.size++
    this.#bytes += bytes
    return written.finally(() => {
      this.size--
      this.#bytes -= bytes
    })
  }
}
