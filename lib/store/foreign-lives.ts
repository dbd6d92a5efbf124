const MOST = 100

/**
 * Lives of sets of marks that have the same name in other databases of the server: all of them share the channel, but nothing else. What
 * is told there of a life that is not ours has to be looked into once, not with each message.
 */
export class ForeignLives {
  readonly #heard = new Set<string>()
  readonly #known = new Set<string>()

  /** Whether a look has shown that this is not ours. */
  has (incarnation: string): boolean {
    return this.#known.has(incarnation)
  }

  /** A message tells of a life that is not the one that is known. */
  note (incarnation: string): void {
    if (this.#heard.size < MOST) this.#heard.add(incarnation)
  }

  /** What was heard of before a look begins. */
  get heard (): readonly string[] {
    return [...this.#heard]
  }

  /** A look that began after these were heard of has found another life than them. */
  learn (heard: readonly string[], own: string | undefined): void {
    for (const incarnation of heard) {
      this.#heard.delete(incarnation)
      if (incarnation !== own && this.#known.size < MOST) this.#known.add(incarnation)
    }
  }

  /** Ours is another one now, and may be any of them. */
  clear (): void {
    this.#known.clear()
  }
}
