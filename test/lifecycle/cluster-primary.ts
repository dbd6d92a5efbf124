/**
 * Starts workers of the cluster module, kills one that holds a lease, and stops the others:
 * `node --import=tsx test/lifecycle/cluster-primary.ts '<SharingSettings as JSON>'`.
 */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { WorkerCommand, WorkerReport } from './sharing-app.ts'
import { now, say, until } from './said.ts'

export interface ClusterReport {
  /** What those were answered who waited for the worker that was killed. */
  readonly waiting: Record<string, number>
  /** How long after it was killed the first of them had its answer. */
  readonly ms: number
  /** Answers to requests that were sent all the time. */
  readonly answers: Record<string, number>
  /** The same for those that were sent after the kill. */
  readonly answersAfter: Record<string, number>
  /** How the workers that were told to stop have ended. */
  readonly exits: Array<number | null>
}

const WORKERS = 3
const CLIENTS = 4
/** Enough for each worker to have some of them. */
const WAITING = 3 * WORKERS
const MOST_AFTER = 100
const GIVES_UP_MS = 5000

cluster.setupPrimary({ exec: join(import.meta.dirname, 'cluster-worker.ts'), args: [process.argv[2]!] })
const workers = Array.from({ length: WORKERS }, () => cluster.fork())
const [port] = await Promise.all(workers.map(async (worker) => await portOf(worker)))
let victim: Worker | undefined
for (const worker of workers) worker.on('message', (report: WorkerReport) => { if (report === 'held') held(worker) })

const [answers, answersAfter]: Array<Record<string, number>> = [{}, {}]
const [killing, ending] = [new AbortController(), new AbortController()]
const clients = Array.from({ length: CLIENTS }, (_, i) => ask(i))
const first = request('/held')
await until(() => victim !== undefined)
const waiting: Record<string, number> = {}
let answeredAt: number | undefined
const others = Array.from({ length: WAITING }, async () => {
  count(waiting, await request('/held'))
  if (waiting['right'] !== undefined) answeredAt ??= now()
})
await until(() => (answers!['right'] ?? 0) > 100)
const exit = once(victim!, 'exit')
victim!.process.kill('SIGKILL')
const killedAt = now()
await exit
killing.abort()
await Promise.all([first, ...others])
await until(() => (answersAfter!['right'] ?? 0) >= MOST_AFTER)
ending.abort()
await Promise.all(clients)
const exits = await Promise.all(workers.filter((worker) => worker !== victim).map(async (worker) => await stop(worker)))
say({ waiting, ms: (answeredAt ?? Infinity) - killedAt, answers: answers!, answersAfter: answersAfter!, exits } satisfies ClusterReport)

/** The first one is killed while it waits. */
function held (worker: Worker): void {
  if (victim === undefined) victim = worker
  else worker.send('go on' satisfies WorkerCommand)
}

async function portOf (worker: Worker): Promise<number> {
  const [report] = await once(worker, 'message') as [Exclude<WorkerReport, 'held'>]
  return report.port
}

async function stop (worker: Worker): Promise<number | null> {
  worker.send('close' satisfies WorkerCommand)
  const [code] = await once(worker, 'exit') as [number | null]
  return code
}

async function ask (client: number): Promise<void> {
  for (let n = 0; !ending.signal.aborted; n++) {
    const told = killing.signal.aborted ? answersAfter! : answers!
    count(told, await request(`/page/${(client + n) % 5}`))
  }
}

/** Each request has a connection of its own, so that the workers take turns. One that was on its way to a worker that is killed hangs. */
async function request (path: string): Promise<string> {
  try {
    const [response] = await once(get({ host: '127.0.0.1', port, path, agent: false, signal: AbortSignal.timeout(GIVES_UP_MS) }), 'response') as [IncomingMessage]
    const body = await text(response)
    return response.statusCode === 200 && body === path ? 'right' : `${response.statusCode} ${body}`
  } catch (fault) {
    return (fault as NodeJS.ErrnoException).code ?? String(fault)
  }
}

function count (words: Record<string, number>, word: string): void {
  words[word] = (words[word] ?? 0) + 1
}
