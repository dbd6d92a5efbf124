import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Database } from '../oracle/database.ts'

/** The versions of all things, outside of the cache: a read that begins after a raise has ended gives it. */
export interface Versions {
  raise (thing: number): Promise<number>
  read (thing: number): Promise<number>
  close (): Promise<void>
}

export async function openVersions (url: string): Promise<Versions> {
  if (url.startsWith('http:')) return originVersions(url)
  const database = new Database(url)
  await database.connect()
  return database
}

function originVersions (url: string): Versions {
  async function ask (method: string, thing: number): Promise<number> {
    const answer = await fetch(`${url}/${thing}`, { method })
    return Number(await answer.text())
  }
  return { raise: (thing) => ask('POST', thing), read: (thing) => ask('GET', thing), async close () {} }
}

/** An origin in this process, for those who have no second Redis. */
export async function startOrigin (): Promise<{ readonly url: string, close (): void }> {
  const versions = new Map<string, number>()
  const server = createServer((request, response) => {
    const thing = request.url ?? ''
    const version = (versions.get(thing) ?? 0) + (request.method === 'POST' ? 1 : 0)
    versions.set(thing, version)
    response.end(String(version))
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close () {
      server.close()
      server.closeAllConnections()
    }
  }
}
