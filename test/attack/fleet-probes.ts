import type { ResponseCacheOptions } from 'fastify-response-cache'
import { createClient, RESP_TYPES } from 'redis'
import { isServed, textOf } from '../../lib/audit/exchange.ts'
import { CANARY, ownPrefix, withSite, type Site } from './site.ts'
import type { SceneProbe } from './scene-probes.ts'

/* Two processes with one Redis, and somebody who writes into it. */

interface Fleet {
  readonly one: Site
  readonly other: Site
  readonly prefix: string
}

/** Two apps; the prefixes are equal unless said otherwise. */
async function withFleet<T> (url: string, use: (fleet: Fleet) => Promise<T>, suffixes: readonly [string, string] = ['', '']): Promise<T> {
  const prefix = ownPrefix()
  const cacheOf = (suffix: string): { cache: ResponseCacheOptions } => ({ cache: { redis: url, prefix: `${prefix}${suffix}`, clock: Date.now } })
  const declare = (app: Parameters<Parameters<typeof withSite>[0]>[0]): void => {
    app.get('/*', { config: { cache: { ttl: '1m' } } }, async (request) => ({ url: request.url, base: request.headers['x-forwarded-host'] ?? request.host, who: request.headers.authorization ?? null, app: suffixes.join() }))
  }
  try {
    return await withSite(declare, async (one) => await withSite(declare, async (other) => await use({ one, other, prefix }), cacheOf(suffixes[1])), cacheOf(suffixes[0]))
  } finally {
    await withClient(url, async (client) => {
      for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) if (keys.length > 0) await client.unlink(keys)
    })
  }
}

async function withClient<T> (url: string, use: (client: ReturnType<typeof createClient>) => Promise<T>): Promise<T> {
  const client: ReturnType<typeof createClient> = createClient({ url })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

async function keysOf (client: ReturnType<typeof createClient>, prefix: string): Promise<string[]> {
  const found: string[] = []
  for await (const keys of client.scanIterator({ MATCH: `${prefix}:default:GET:*`, COUNT: 1000 })) found.push(...keys)
  return found.sort()
}

/** Something else is under the key of a stored response. */
async function replaced (url: string, value: (frames: Buffer[]) => Buffer): Promise<string | undefined> {
  return await withFleet(url, async ({ one, other, prefix }) => {
    await one.send(`/${CANARY}`)
    await one.send('/victim')
    await withClient(url, async (client) => {
      const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
      const keys = await keysOf(client, prefix)
      const frames = await Promise.all(keys.map(async (key) => await binary.get(key) ?? Buffer.alloc(0)))
      const at = keys.findIndex((key) => key.includes('/victim'))
      await client.set(keys[at]!, value([frames[at === 0 ? 1 : 0]!, frames[at]!]), { KEEPTTL: true })
    })
    const answer = await other.send('/victim')
    if (answer.status !== 200) return `a broken entry made a ${answer.status}`
    return isServed(answer) || textOf(answer).includes(CANARY) ? 'what somebody wrote into Redis was sent' : undefined
  })
}

const across = (url: string, fleet: Fleet, path: string, headers: Record<string, string>): Promise<string | undefined> => (async () => {
  await fleet.one.send(path, { headers })
  return textOf(await fleet.other.send(path)).includes(CANARY) ? 'another process sent what a request had brought in' : undefined
})()

export function fleetProbes (url: string): readonly SceneProbe[] {
  return [
    { name: 'credentials in another process', reference: 'RFC 9111 section 3.5', run: () => withFleet(url, (fleet) => across(url, fleet, '/', { authorization: `Bearer ${CANARY}` })) },
    { name: 'X-Forwarded-Host in another process', reference: 'PortSwigger, Practical Web Cache Poisoning (2018)', run: () => withFleet(url, (fleet) => across(url, fleet, '/', { 'x-forwarded-host': CANARY })) },
    {
      name: 'two apps in one Redis',
      reference: 'Litestar CVE-2026-25480',
      run: () => withFleet(url, async ({ one, other }) => {
        await one.send('/default:GET:/x')
        return isServed(await other.send('/default:GET:/x')) || isServed(await other.send('/x')) ? 'one app got the response of the other' : undefined
      }, ['', ':default'])
    },
    { name: 'the entry of another URL under a key', reference: 'RFC 9111 section 7.1', run: () => replaced(url, ([foreign]) => foreign!) },
    { name: 'a damaged entry', reference: 'CWE-502', run: () => replaced(url, ([, own]) => { const frame = Buffer.from(own!); frame[frame.length - 3]! ^= 1; return frame }) },
    { name: 'a shortened entry', reference: 'CWE-502', run: () => replaced(url, ([, own]) => own!.subarray(0, own!.length - 5)) },
    { name: 'an entry that is no entry', reference: 'CWE-502', run: () => replaced(url, () => Buffer.from('{"status":200,"body":"<script>"}')) },
    {
      name: 'a flood leaves entries without an end',
      reference: 'CWE-400',
      run: () => withFleet(url, async ({ one, prefix }) => {
        for (let number = 0; number < 50; number++) await one.send(`/?cb=${number}`)
        return await withClient(url, async (client) => {
          const lifetimes = await Promise.all((await keysOf(client, prefix)).map(async (key) => await client.pTTL(key)))
          const isBounded = lifetimes.length === 50 && lifetimes.every((ms) => ms > 0)
          return isBounded ? undefined : `of 50 entries ${lifetimes.filter((ms) => ms > 0).length} have a time to live`
        })
      })
    }
  ]
}
