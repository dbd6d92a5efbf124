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

  /** Kinds are reason words, so that their number is bounded. */
  once ({ outcome, reason, fault }: { outcome: 'bypass' | 'miss', reason: string, fault?: unknown }, text: string): void {
    const kind = `${outcome} ${reason}`
    if (this.#given.has(kind)) return
    this.#given.add(kind)
    this.#logger.warn({ err: fault, cache: { route: this.#route, outcome, reason } }, text)
  }
}
