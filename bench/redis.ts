import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { bound } from './cores.ts'

/** A Redis both sides of a comparison use: `REDIS_URL` if given, else an own one for the time of the bench. */
export interface BenchRedis {
  url: string
  /** All keys of the bench start with it. */
  prefix: string
  version: string
  stop: () => Promise<void>
}

/** Undefined if there is neither `REDIS_URL` nor a server on the PATH. */
export async function startRedis (core: number | undefined): Promise<BenchRedis | undefined> {
  const prefix = `bench-${randomUUID()}`
  const given = process.env.REDIS_URL
  if (given !== undefined && given !== '') {
    return { url: given, prefix, version: await versionOf(given), stop: () => removeKeys(given, prefix) }
  }
  const command = ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0)
  if (command === undefined) return undefined
  const server = await launch(command, core)
  return { ...server, prefix, version: await versionOf(server.url) }
}

async function launch (command: string, core: number | undefined): Promise<Pick<BenchRedis, 'url' | 'stop'>> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-redis-'))
  const port = await freePort()
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', '', '--appendonly', 'no']
  const child = spawn(...bound(core, command, args), { stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = (): void => { child.kill() }
  process.once('exit', kill) // also when the bench ends with an error nobody caught
  const stop = async (): Promise<void> => {
    process.off('exit', kill)
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill()
      await exited
    }
    await rm(directory, { recursive: true, force: true })
  }
  for await (const chunk of child.stdout) {
    if (String(chunk).includes('Ready to accept connections')) return { url: `redis://127.0.0.1:${port}`, stop }
  }
  await stop()
  throw new Error(`${command} did not start`)
}

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function versionOf (url: string): Promise<string> {
  const client = await createClient({ url }).connect()
  const info = await client.info('server')
  await client.close()
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1]
  return valkey === undefined ? `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1]}` : `Valkey ${valkey}`
}

async function removeKeys (url: string, prefix: string): Promise<void> {
  const client = await createClient({ url }).connect()
  for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) {
    if (keys.length > 0) await client.unlink(keys)
  }
  await client.close()
}
