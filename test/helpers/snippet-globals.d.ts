/** What snippets marked `no-run` may use without saying where it comes from. */
import type { FastifyInstance, FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify'
import type {} from 'fastify-response-cache'

declare global {
  const app: FastifyInstance
  const request: FastifyRequest
  const reply: FastifyReply
  /** A guard and a handler of the reader's own. */
  const authenticate: preHandlerAsyncHookHandler
  const handler: () => Promise<object>
  /** The reader's own database. */
  const db: {
    find (id: string | undefined): Promise<{ id: string, name: string }>
    search (terms: unknown): Promise<Array<{ id: string, name: string }>>
  }
}
