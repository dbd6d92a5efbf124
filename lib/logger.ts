/** What the cache needs of a logger: pino and `fastify.log` fit. */
export interface Logger {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  /** Default: `warn`. */
  error? (details: object, message: string): void
}

export const silentLogger: Logger = { info () {}, warn () {} }
