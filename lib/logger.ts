/** What the cache needs of a logger: pino and `fastify.log` fit. */
export interface Logger {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  /** One line for each request. Default: none. */
  debug? (details: object, message: string): void
  /** Whether lines of a level are kept, as pino tells. Default: none of `debug` are. */
  isLevelEnabled? (level: string): boolean
  /** Default: `warn`. */
  error? (details: object, message: string): void
}

export const silentLogger: Logger = { info () {}, warn () {} }
