/**
 * A process whose memory in front of Redis is too small for what is asked for: `node --import=tsx test/oracle/under-load.ts '{ "url":
 * …, "prefix": …, "maxBytes": …, "values": …, "bytes": …, "seconds": … }'`. It writes a line of JSON for each sample.
 */
import { createCache } from '../../lib/index.ts'
import { collect } from './costs.ts'

interface Load {
  readonly url: string
  readonly prefix: string
  readonly maxBytes: number
  /** How many values there are, and how large each is. */
  readonly values: number
  readonly bytes: number
  readonly samples: number
  readonly readsPerSample: number
}

export interface MemorySample {
  readonly reads: number
  /** Before a collection, as an operating system sees it. */
  readonly rss: number
  /** After a collection. */
  readonly heapUsed: number
  readonly external: number
}

const { url, prefix, maxBytes, values, bytes, samples, readsPerSample } = JSON.parse(process.argv[2]!) as Load
const cache = createCache({ redis: url, prefix, memory: { maxBytes }, timeouts: { read: '5s', write: '5s' } })
await cache.connect()
const value = Buffer.alloc(bytes, 'x')
for (let i = 0; i < values; i += 100) await cache.setMany(Array.from({ length: 100 }, (_, at) => [`load:${i + at}`, value] as const), { ttl: '1h' })
let reads = 0
sample()
for (let i = 0; i < samples; i++) {
  for (const end = reads + readsPerSample; reads < end; reads += 50) {
    const found = await cache.getMany(Array.from({ length: 50 }, () => `load:${Math.floor(Math.random() * values)}`))
    if (found.some((one) => one === undefined)) throw new Error('a value is missing')
  }
  sample()
}
await cache.close()

function sample (): void {
  const { rss } = process.memoryUsage()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  console.log(JSON.stringify({ reads, rss, heapUsed, external } satisfies MemorySample))
}
