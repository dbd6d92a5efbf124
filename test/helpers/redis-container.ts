import type { GenericContainer } from 'testcontainers'
import { freePort } from './free-port.ts'
import { answers } from './redis-ping.ts'
import type { RedisServer, RedisServerOptions } from './redis-process.ts'

/** `REDIS_IMAGE`: another version, or Valkey, whose images know the name `redis-server` as well. */
const image = process.env.REDIS_IMAGE || 'redis:8-alpine'

/** Starts a server in a container. */
export async function startContainer (options: RedisServerOptions): Promise<RedisServer> {
  const port = options.port ?? await freePort()
  const id = await run(['redis-server', ...argsOf(port, options)], container => container.withExposedPorts({ container: port, host: port }))
  return await serverIn(id, port)
}

/**
 * Starts servers that reach each other, as the nodes of a Redis Cluster have to, at the address at which the tests
 * reach them: containers on one network interface, which a further container holds and publishes the ports of.
 */
export async function startContainers (count: number, options: RedisServerOptions): Promise<RedisServer[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = await freePort()
    if (!ports.includes(port)) ports.push(port)
  }
  const published = ports.map(port => ({ container: port, host: port }))
  const holder = await run(['redis-server', '--port', '0', '--unixsocket', '/tmp/holder.sock'], container => container.withExposedPorts(...published))
  const { container: engine } = await runtime()
  return await Promise.all(ports.map(async (port, index) => {
    const id = await run(['redis-server', ...argsOf(port, options)], container => container.withNetworkMode(`container:${holder}`))
    const server = await serverIn(id, port)
    if (index > 0) return server

    return {
      ...server,
      dispose: async () => {
        await server.dispose()
        await engine.getById(holder).remove({ force: true, v: true })
      }
    }
  }))
}

// In the container the server listens on its public port: a Cluster node tells it to others.
function argsOf (port: number, { args = [] }: RedisServerOptions): string[] {
  return ['--port', String(port), '--protected-mode', 'no', '--save', '', '--appendonly', 'no', ...args]
}

async function runtime () {
  const { getContainerRuntimeClient } = await import('testcontainers')
  return await getContainerRuntimeClient()
}

async function run (command: string[], configure: (container: GenericContainer) => GenericContainer): Promise<string> {
  const testcontainers = await import('testcontainers')
  const started = await configure(new testcontainers.GenericContainer(image))
    .withCommand(command)
    .withWaitStrategy(testcontainers.Wait.forLogMessage(/ready to accept connections/i))
    .start()
  return started.getId()
}

async function serverIn (id: string, port: number): Promise<RedisServer> {
  const { container: engine, info } = await runtime()
  const container = engine.getById(id)
  const url = `redis://${info.containerRuntime.host}:${port}`
  let paused = false
  const resume = async () => {
    if (paused) await container.unpause()
    paused = false
  }
  return {
    url,
    port,
    resume,
    stop: async () => {
      await resume()
      await container.kill()
    },
    start: async () => {
      await container.start()
      await answers(url)
    },
    pause: async () => {
      await container.pause()
      paused = true
    },
    dispose: async () => { await container.remove({ force: true, v: true }) }
  }
}
