import { arch, cpus, release, totalmem, type } from 'node:os'
import { createClient } from 'redis'
import type { Ground } from './figure.ts'

/** What a reader needs to know to judge the figures. */
export async function describeGround ({ redisUrl }: Ground): Promise<Array<[string, string]>> {
  const processors = cpus()
  return [
    ['Date', new Date().toISOString().slice(0, 10)],
    ['CPU', `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} cores, for servers, load and Redis together`],
    ['Memory', `${Math.round(totalmem() / 2 ** 30)} GB`],
    ['System', `${type()} ${release()} ${arch()}`],
    ['Node', process.version],
    ['Redis', await versionOf(redisUrl)]
  ]
}

async function versionOf (url: string): Promise<string> {
  const client = await createClient({ url }).connect()
  const info = await client.info('server')
  await client.close()
  return /^(?:valkey|redis)_version:(\S+)/m.exec(info)?.[1] ?? 'unknown'
}
