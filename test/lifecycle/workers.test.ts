import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { startRedisServer } from '../helpers/redis.ts'
import type { ClusterReport } from './cluster-primary.ts'
import { runOfFolder } from './run-program.ts'
import { until } from './said.ts'
import { LEASE_MS, type SharingSettings, type WorkerCommand, type WorkerReport } from './sharing-app.ts'

/** Connections to a worker that is killed break, or were on their way to it and hang. */
const EXPECTED = new Set(['right', 'ECONNRESET', 'ABORT_ERR'])

interface Thread {
  readonly worker: Worker
  readonly origin: string
  tell (command: WorkerCommand): void
}

for (const memory of [false, true]) {
  const place = memory ? 'memory in front of Redis' : 'Redis'

  t.test(`with ${place}, workers of the cluster module go on when one is killed that holds a lease`, async (t) => {
    await withServer(t, async (redis) => {
      const { said: [report], code, errors } = await runOfFolder<ClusterReport>(t, ['cluster-primary.ts', JSON.stringify({ redis, prefix: 'p', memory } satisfies SharingSettings)])
      if (report === undefined) throw new Error(`the program has ended with ${code}:\n${errors}`)
      t.comment(JSON.stringify(report))
      const { waiting, answers, answersAfter, exits, ms } = report
      t.ok((waiting['right'] ?? 0) > 0, 'who waited in another worker has an answer')
      t.ok(ms < LEASE_MS + 2000, `${ms} ms after the kill`)
      for (const words of [waiting, answers]) t.same(Object.keys(words).filter((word) => !EXPECTED.has(word)), [])
      t.same(Object.keys(answersAfter), ['right'])
      t.same([exits, code], [[0, 0], 0], errors)
    })
  })

  t.test(`with ${place}, worker threads go on when one is terminated in the middle of a request`, async (t) => {
    await withServer(t, async (redis) => {
      const [victim, ...others] = await Promise.all(Array.from({ length: 3 }, () => startThread(t, { redis, prefix: 'p', memory }))) as [Thread, ...Thread[]]
      t.same(await Promise.all([victim, ...others].map(({ origin }) => ask(`${origin}/page/1`))), Array(3).fill('200 /page/1'))
      const isHeld = heard(victim, (report) => report === 'held')
      const lost = ask(`${victim.origin}/held`)
      await isHeld
      const waiting = others.map(({ origin }) => ask(`${origin}/held`))
      for (const other of others) void heard(other, (report) => report === 'held').then(() => { other.tell('go on') }, () => { /* another one runs it */ })
      await victim.worker.terminate()
      const endedAt = performance.now()
      t.same(await Promise.all(waiting), Array(2).fill('200 /held'))
      const ms = performance.now() - endedAt
      t.comment(`answered ${ms.toFixed(0)} ms after it was terminated`)
      t.ok(ms < LEASE_MS + 2000, `${ms} ms`)
      t.match(await lost, /^(?!200)/)
      t.same(await Promise.all(others.map(({ origin }) => ask(`${origin}/page/1`))), Array(2).fill('200 /page/1'))
      t.same(await Promise.all(others.map(stop)), [0, 0], 'threads that are closed end by themselves')
    })
  })
}

async function startThread (t: Test, settings: SharingSettings): Promise<Thread> {
  // Threads do not get the loader of this process by themselves.
  const program = pathToFileURL(join(import.meta.dirname, 'thread.ts')).href
  const start = `import('${import.meta.resolve('tsx/esm/api')}').then(({ register }) => { register(); return import('${program}') })`
  const worker = new Worker(start, { eval: true, workerData: settings, execArgv: [] })
  t.teardown(() => worker.terminate())
  const tell = (command: WorkerCommand): void => { worker.postMessage(command) }
  const [report] = await once(worker, 'message') as [Exclude<WorkerReport, 'held'>]
  return { worker, origin: `http://127.0.0.1:${report.port}`, tell }
}

async function heard ({ worker }: Thread, isIt: (report: WorkerReport) => boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    worker.on('message', (report: WorkerReport) => { if (isIt(report)) resolve() })
    worker.once('exit', () => { reject(new Error('the thread has ended')) })
  })
}

async function stop ({ worker, tell }: Thread): Promise<number> {
  tell('close')
  const [code] = await once(worker, 'exit') as [number]
  return code
}

async function ask (url: string): Promise<string> {
  try {
    const response = await fetch(url, { headers: { connection: 'close' } })
    return `${response.status} ${await response.text()}`
  } catch (fault) {
    return String(fault)
  }
}

/** A server of its own, on which no connection is left. */
async function withServer (t: Test, run: (url: string) => Promise<void>): Promise<void> {
  const { url } = await startRedisServer(t)
  const admin = await createClient({ url }).connect()
  t.teardown(() => admin.close())
  await run(url)
  await until(async () => (await admin.clientList()).length === 1)
  t.equal((await admin.clientList()).length, 1, 'no connection is left')
}
