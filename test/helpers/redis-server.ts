import { installWithApt } from './apt.ts'
import { findOnPath } from './find-on-path.ts'
import { startContainer, startContainers } from './redis-container.ts'
import { answers } from './redis-ping.ts'
import { startProcess, type RedisServer, type RedisServerOptions } from './redis-process.ts'

/** The Redis that the tests share. */
export interface SharedRedis {
  url: string
  /** Where it comes from, for people. */
  origin: string
  dispose (): Promise<void>
}

const binaries = ['redis-server', 'valkey-server']

/** `REDIS_URL` if it is set, else a server of our own. */
export async function obtainRedis (): Promise<SharedRedis> {
  const url = process.env.REDIS_URL
  if (url) {
    await answers(url).catch((error: Error) => {
      throw new Error(`REDIS_URL is set, but no Redis answers there: ${error.message}`, { cause: error })
    })
    return { url, origin: 'REDIS_URL', dispose: async () => {} }
  }

  const { server, origin } = await startAny({})
  return { url: server.url, origin, dispose: () => server.dispose() }
}

/** A server of its own: from the PATH, else in a container, else installed with apt-get. */
export async function startServer (options: RedisServerOptions): Promise<RedisServer> {
  return (await startAny(options)).server
}

/** Several servers that reach each other at the same addresses as the tests. */
export async function startServers (count: number, options: RedisServerOptions): Promise<RedisServer[]> {
  const { binary } = await findWay()
  if (binary === undefined) return await startContainers(count, options)
  return await Promise.all(Array.from({ length: count }, () => startProcess(binary, options)))
}

async function startAny (options: RedisServerOptions): Promise<{ server: RedisServer, origin: string }> {
  const { binary, origin } = await findWay()
  const server = binary === undefined ? await startContainer(options) : await startProcess(binary, options)
  return { server, origin }
}

/** How servers can be started here: with a binary, or without one in containers. */
interface Way {
  binary?: string
  origin: string
}

let way: Promise<Way> | undefined

async function findWay (): Promise<Way> {
  way ??= lookForWay()
  return await way
}

async function lookForWay (): Promise<Way> {
  const installed = findOnPath(binaries)
  if (installed !== undefined) return { binary: installed, origin: installed }

  const docker = await dockerProblem()
  if (docker === undefined) return { origin: 'a container' }

  const apt = await installWithApt(binaries)
  const added = findOnPath(binaries)
  if (added !== undefined) return { binary: added, origin: `${added}, installed with apt-get` }

  throw new Error(unavailable([`no ${binaries.join(' or ')} on the PATH`, docker, apt]))
}

function unavailable (tried: string[]): string {
  const [need, address] = process.env.REDIS_URL
    ? ['This test stops and starts its Redis, so it does not use REDIS_URL, and no other was found.', []]
    : ['These tests need a real Redis, and none was found.', ['give the address of one that tests may write to: REDIS_URL=redis://127.0.0.1:6379 npm test']]
  const ways = [
    ...address,
    'install one, so that redis-server or valkey-server is on the PATH (apt-get install redis-server, brew install redis)',
    'start Docker'
  ]
  return [`${need} Do one of these:`, ...ways.map(item), 'Tried:', ...tried.map(item)].join('\n')
}

function item (text: string): string {
  return `  - ${text}`
}

/** Why no container can be started, or undefined if one can. */
async function dockerProblem (): Promise<string | undefined> {
  const { getContainerRuntimeClient } = await import('testcontainers')
  try {
    await getContainerRuntimeClient()
    return undefined
  } catch (error) {
    return `no Docker engine answers: ${(error as Error).message}`
  }
}
