import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import responseCache, { type Explanation, type ResponseCacheOptions } from '../../lib/index.ts'

export interface Scene {
  readonly app: FastifyInstance
  /** Methods and URLs of the requests whose handlers ran. */
  readonly calls: string[]
  /** Lines that the cache has logged. */
  readonly lines: string[]
}

interface SceneOptions extends ResponseCacheOptions {
  readonly server?: FastifyServerOptions
}

export const HOST = 'shop.example'

/** An app whose handlers say that they ran. `declare` puts its routes behind the plugin. */
export async function openScene (t: Test, { server = {}, ...options }: SceneOptions, declare: (app: FastifyInstance, handler: (request: { method: string, url: string }) => Promise<string>) => unknown): Promise<Scene> {
  const [calls, lines]: [string[], string[]] = [[], []]
  const note = (_object: unknown, text: string): void => { lines.push(text) }
  const app: FastifyInstance = Fastify(server)
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1h' }, logger: { info: note, warn: note, error: note }, ...options })
  await declare(app, async ({ method, url }) => {
    calls.push(`${method} ${url}`)
    return `made for ${url}`
  })
  await app.ready()
  return { app, calls, lines }
}

/** The value of one part of the key. */
export function partOf ({ keyParts = [] }: Explanation, name: string): string | undefined {
  return keyParts.find(({ part }) => part === name)?.value
}
