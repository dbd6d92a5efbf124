/**
 * A reader or a writer of the stale-read oracle that works in several rounds: `node --import=tsx test/chaos/oracle-process.ts
 * '<ProcessSettings as JSON>'`, with a channel to its parent. `start` begins a round, `stop` ends it and is answered with its report.
 */
import { endWithParent, tell } from '../herd/settings.ts'
import { buildApp } from '../oracle/app.ts'
import { Database } from '../oracle/database.ts'
import { observeCopies } from '../oracle/observed.ts'
import { read } from '../oracle/reader.ts'
import type { ProcessSettings } from '../oracle/settings.ts'
import { write } from '../oracle/writer.ts'

export interface RoundReport {
  /** Rows of `ACK` or `RESPONSE`. */
  readonly rows: Float64Array
  readonly refused: number
  /** Why it has stopped early. */
  readonly fault?: string
}

const AT_ONCE = 20
/** Longer than a deadline. What is under way by then will not end. */
const LONGEST_END_MS = 8000

endWithParent()
const uncaught: string[] = []
for (const event of ['unhandledRejection', 'uncaughtException'] as const) process.on(event, (fault: unknown) => { uncaught.push(String(fault instanceof Error ? fault.stack : fault)) })
const settings = JSON.parse(process.argv[2]!) as ProcessSettings
observeCopies()
const database = new Database(settings.databaseUrl)
await database.connect()
const app = await buildApp(settings, database)
let round: { readonly stopping: AbortController, readonly report: Promise<RoundReport> } | undefined
process.on('message', (command: 'start' | 'stop') => {
  if (command === 'stop') {
    void end()
    return
  }
  const stopping = new AbortController()
  round = { stopping, report: settings.role === 'writer' ? writeUntil(stopping.signal) : readUntil(stopping.signal) }
})
tell({ type: 'ready' })

async function end (): Promise<void> {
  round?.stopping.abort()
  const report = await round?.report
  const fault = uncaught.splice(0)[0] ?? report?.fault
  tell({ rows: report?.rows ?? new Float64Array(), refused: report?.refused ?? 0, ...fault === undefined ? {} : { fault } } satisfies RoundReport)
}

async function readUntil (stopped: AbortSignal): Promise<RoundReport> {
  try {
    const report = await ending(read(app, database, { settings, stopped }), stopped)
    return { rows: report.type === 'responses' ? report.responses : new Float64Array(), refused: 0 }
  } catch (fault) {
    return { rows: new Float64Array(), refused: 0, fault: String(fault) }
  }
}

/** In short turns, because a writer ends by what it has done. */
async function writeUntil (stopped: AbortSignal): Promise<RoundReport> {
  const rows: number[] = []
  let refused = 0
  try {
    while (!stopped.aborted) {
      const report = await ending(write(app, database, { ...settings, invalidations: AT_ONCE }), stopped)
      if (report.type !== 'acks') continue
      rows.push(...report.acks)
      refused += report.refused
    }
    return { rows: Float64Array.from(rows), refused }
  } catch (fault) {
    return { rows: Float64Array.from(rows), refused, fault: String(fault) }
  }
}

/** Rejects when something does not end although it is told to. */
async function ending<T> (result: Promise<T>, stopped: AbortSignal): Promise<T> {
  return await new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const stop = (): void => { timer = setTimeout(() => { reject(new Error(`the ${settings.role} has not ended ${LONGEST_END_MS} ms after it was told to`)) }, LONGEST_END_MS) }
    stopped.addEventListener('abort', stop, { once: true })
    result.then(resolve, reject).finally(() => {
      stopped.removeEventListener('abort', stop)
      clearTimeout(timer)
    })
  })
}
