import { join } from 'node:path'
import t from 'tap'
import { builtProgram } from '../helpers/built-program.ts'
import { runPlain } from '../helpers/plain-process.ts'
import { startRedisServer } from '../helpers/redis.ts'
import type { MemorySample } from './under-load.ts'

const MB = 2 ** 20
const maxBytes = 16 * MB
/** What is kept of keys that were asked for, and what buffers and maps reserve. */
const AROUND = 6 * MB

for (const [what, load] of [
  ['large', { values: 3000, bytes: 16_000, samples: 3, readsPerSample: 3000 }],
  ['small', { values: 40_000, bytes: 200, samples: 3, readsPerSample: 30_000 }]
] as const) {
  t.test(`memory in front of Redis stays within its bound when more ${what} values are asked for than fit`, async (t) => {
    const { url } = await startRedisServer(t)
    const settings = JSON.stringify({ url, prefix: 'load', maxBytes, ...load })
    const { code, stdout, stderr } = await runPlain(process.execPath, [await builtProgram(join(import.meta.dirname, 'under-load.ts')), settings])
    t.equal(code, 0, stderr)
    const samples = stdout.trim().split('\n').map((line) => JSON.parse(line) as MemorySample)
    for (const { reads, rss, heapUsed, external } of samples) t.comment(`${reads} reads: RSS ${inMb(rss)} MB, after a collection heap ${inMb(heapUsed)} MB and external ${inMb(external)} MB`)
    const growths = samples.map(({ heapUsed, external }) => heapUsed + external - samples[0]!.heapUsed - samples[0]!.external)
    t.ok(growths.every((growth) => growth < maxBytes + AROUND), growths.map(inMb).join(' '))
    t.ok(growths.at(-1)! > maxBytes / 2, 'the memory is used')
  })
}

function inMb (bytes: number): string {
  return (bytes / MB).toFixed(1)
}
