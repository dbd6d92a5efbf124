import type { FastifyInstance } from 'fastify'
import type { WarmedApp } from '../warming/warmer.ts'
import { rootOf } from './fastify-internals.ts'
import { NOWHERE, type Repeater, type Warmed } from './repeat.ts'

/** The app as warming sees it: a GET goes through its whole lifecycle. */
export function warmedApp (app: FastifyInstance, repeater: Repeater): WarmedApp {
  // In the key is the protocol.
  const socket = { remoteAddress: NOWHERE, ...'setSecureContext' in app.server ? { encrypted: true } : {} }
  return {
    async fill ({ url, headers }, { freshForMs, signal }) {
      let report!: (outcome: Warmed) => void
      const reported = new Promise<Warmed>((resolve) => { report = resolve })
      let isReached = false
      const reached = (): void => { isReached = true }
      try {
        await rootOf(app).ready()
        const status = await repeater.send({ method: 'GET', url, headers, body: undefined, digest: undefined, socket }, { freshForMs, reached, report }, signal)
        return isReached ? await reported : { outcome: 'failed', reason: `answered with ${status} without the cache: by a guard, a route that is not cached, or past it` }
      } catch (fault) {
        return { outcome: 'failed', reason: (fault as Error).message }
      }
    }
  }
}
