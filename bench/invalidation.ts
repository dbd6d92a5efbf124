// npx tsx bench/invalidation.ts [--entries 1000000]: what invalidations cost, however much they mean.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createCache } from '../lib/index.ts'
import { median } from '../test/helpers/median.ts'
import { adminOf, changesCost, commandsSince, fillNamespace, marksCost, marksOf, tags, timeInvalidations, watchCommands, type Admin } from '../test/oracle/costs.ts'
import type { Heard } from '../test/oracle/listener.ts'
import type { MemorySample } from '../test/oracle/under-load.ts'
import { startRedis } from './redis.ts'
import { table } from './report.ts'

const MB = 2 ** 20
const { values: options } = parseArgs({ options: { entries: { type: 'string', default: '1000000' } } })
delete process.env.REDIS_URL // the slow log and the statistics have to be of what is sent here
const redis = await startRedis(undefined)
if (redis === undefined) throw new Error('expected redis-server or valkey-server on the PATH')
const { url, prefix } = redis
const admin = adminOf(url)
await admin.connect()
console.log(`${redis.version}, Node ${process.version}`)
try {
  await sizeOfNamespace(Number(options.entries))
  await costOfMarks()
  await costOfDropping()
  await costOfHearing()
  await memoryUnderLoad()
} finally {
  await admin.close()
  await redis.stop()
}

async function sizeOfNamespace (entries: number): Promise<void> {
  const marks = marksOf(admin, prefix)
  await fillNamespace(admin, { prefix, namespace: 'few', count: 10, marks })
  await fillNamespace(admin, { prefix, namespace: 'many', count: entries, marks })
  await using cache = createCache({ redis: url, prefix, timeouts: { write: '10s' } })
  await cache.connect()
  await timeInvalidations(cache, ['few', 'many'], 200) // warm up
  await watchCommands(admin)
  const rounds = 1000
  const [few, many] = await timeInvalidations(cache, ['few', 'many'], rounds) as [number[], number[]]
  console.log(`\ninvalidateNamespace, ${rounds} times each in turn, ${await admin.dbSize()} keys in Redis\n`)
  console.log(table(['entries', 'median ms'], [['10', median(few).toFixed(3)], [String(entries), median(many).toFixed(3)]]))
  console.log(`ratio ${(median(many) / median(few)).toFixed(3)}, commands for ${2 * rounds} invalidations`)
  await printCommands(admin)
}

async function printCommands (admin: Admin): Promise<void> {
  const { calls, meanMicros, slow } = await commandsSince(admin)
  for (const [name, count] of Object.entries(calls)) console.log(`  ${name}: ${count} calls, ${meanMicros[name]} µs each`)
  console.log(`  longer than 1 ms: ${slow.length}${slow.length > 0 ? `, the longest ${slow.slice(0, 5).map(({ micros, command }) => `${command} ${(micros / 1000).toFixed(2)} ms`).join(', ')}` : ''}`)
}

async function costOfMarks (): Promise<void> {
  const client = admin
  const hard = await marksCost(admin, { prefix: `${prefix}-cost`, marks: marksOf(client, `${prefix}-cost`), count: 99_000 })
  const changes = await changesCost(admin, { prefix: `${prefix}-changes`, marks: marksOf(client, `${prefix}-changes`), count: 100_000 })
  console.log('\nmarks\n')
  console.log(table(['what', 'marks', 'MB in Redis', 'MB of heap in a process', 'bytes each in Redis', 'in a process'], [['tags such as user:12345', hard] as const, ['changes of 100,000 values', changes] as const].map(([what, { marks, redisBytes, heapBytes }]) => [
    what, String(marks), (redisBytes / 1e6).toFixed(2), (heapBytes / 1e6).toFixed(2), (redisBytes / marks).toFixed(0), (heapBytes / marks).toFixed(0)
  ])))
}

/** At the bound some marks drop many; and a process that starts reads all of them. */
async function costOfDropping (): Promise<void> {
  const [own, other] = [marksOf(admin, `${prefix}-bound`), marksOf(admin, `${prefix}-bound`)]
  await own.mark('hard', tags(99_990))
  await watchCommands(admin)
  for (let i = 0; i < 30_100; i++) await own.mark('hard', tags(1, 100_000 + i))
  console.log('\n30,100 single marks at the bound of 100,000')
  await printCommands(admin)
  await watchCommands(admin)
  await own.mark('hard', tags(20_000, 200_000))
  console.log('\n20,000 marks in calls of 1,000, at the bound')
  await printCommands(admin)
  await watchCommands(admin)
  const beganAt = performance.now()
  await other.refresh()
  console.log(`\na process that starts reads ${other.ledger.size} marks in ${(performance.now() - beganAt).toFixed(0)} ms`)
  await printCommands(admin)
}

async function costOfHearing (): Promise<void> {
  const seconds = 10
  const child = spawn(process.execPath, ['--import=tsx', fileURLToPath(new URL('../test/oracle/listener.ts', import.meta.url)), url, `${prefix}-feed`], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const next = async (): Promise<Heard> => (await once(child, 'message') as [Heard])[0]
  const ask = async (): Promise<Heard> => { child.send('tell'); return await next() }
  await next()
  await sleep(2000) // what follows a start
  const marks = marksOf(admin, `${prefix}-feed`)
  const rows: string[][] = []
  for (const perSecond of [0, 1000]) {
    const before = await ask()
    const sent = await markFor(marks, { seconds, perSecond })
    const after = await ask()
    const share = (after.cpuMicros - before.cpuMicros) / 1000 / (after.at - before.at)
    rows.push([String(perSecond), String(sent), `${(100 * share).toFixed(2)} %`, sent === 0 ? '' : ((after.cpuMicros - before.cpuMicros) / sent).toFixed(1), perSecond === 0 || after.clock === marks.ledger.clock ? 'yes' : 'no'])
  }
  child.disconnect()
  console.log(`\na process that does nothing but hear of the marks of another one, ${seconds} s\n`)
  console.log(table(['marks/s asked', 'sent', 'CPU of one core', 'CPU µs per mark', 'knows all'], rows))
}

async function markFor (marks: ReturnType<typeof marksOf>, { seconds, perSecond }: { seconds: number, perSecond: number }): Promise<number> {
  const beganAt = performance.now()
  let sent = 0
  while (performance.now() - beganAt < seconds * 1000) {
    for (; sent < (performance.now() - beganAt) / 1000 * perSecond; sent++) await marks.mark('hard', tags(1, sent % 50_000))
    await sleep(1)
  }
  return sent
}

async function memoryUnderLoad (): Promise<void> {
  const settings = { url, prefix: `${prefix}-load`, maxBytes: 16 * MB, values: 8_000, bytes: 16_000, samples: 10, readsPerSample: 20_000 }
  const child = spawn(process.execPath, ['--import=tsx', fileURLToPath(new URL('../test/oracle/under-load.ts', import.meta.url)), JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const samples: MemorySample[] = []
  for await (const line of createInterface({ input: child.stdout })) samples.push(JSON.parse(line) as MemorySample)
  console.log(`\nmemory: { maxBytes: 16 MB } and ${settings.values} values of ${settings.bytes} bytes, all equally often; MB\n`)
  console.log(table(['reads', 'RSS', 'heap after a collection', 'external', 'growth of both'], samples.map(({ reads, rss, heapUsed, external }) => [
    String(reads), ...[rss, heapUsed, external, heapUsed + external - samples[0]!.heapUsed - samples[0]!.external].map((bytes) => (bytes / MB).toFixed(1))
  ])))
}
