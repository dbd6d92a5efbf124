import type { Logger } from '../logger.ts'

/** Warnings about one route, each kind once: the same fault comes with every request. */
export class RouteWarnings {
  readonly #logger: Logger
  readonly #route: string
  readonly #given = new Set<string>()

  constructor ({ logger, route }: { logger: Logger, route: string }) {
    this.#logger = logger
    this.#route = route
  }

  /** `kind` is one of the reason words, so that their number is bounded. */
  once (kind: string, text: string, fault?: unknown): void {
    if (this.#given.has(kind)) return
    this.#given.add(kind)
    this.#logger.warn({ err: fault, cache: { route: this.#route, reason: kind } }, text)
  }
}
