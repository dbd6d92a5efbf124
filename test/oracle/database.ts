import { createClient } from 'redis'

/**
 * The versions of all things, outside of the cache. One Redis runs one command after the other: a version that was raised before
 * an invalidation began is what every read gives that is sent after the invalidation was acknowledged.
 */
export class Database {
  readonly #client: ReturnType<typeof clientOf>

  constructor (url: string) {
    this.#client = clientOf(url)
  }

  async connect (): Promise<void> {
    await this.#client.connect()
  }

  async raise (thing: number): Promise<number> {
    return await this.#client.incr(`version:${thing}`)
  }

  async read (thing: number): Promise<number> {
    return Number(await this.#client.get(`version:${thing}`) ?? 0)
  }

  async close (): Promise<void> {
    await this.#client.close()
  }
}

function clientOf (url: string) {
  return createClient({ url })
}
