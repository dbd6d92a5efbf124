/**
 * A process that counts: `node --import=tsx test/stats/fleet-process.ts <url> <prefix> <seed>`, with a channel to its parent. It does what
 * each message says and tells when it is done. `lossy`: every third answer to what it tells is thrown away, after Redis has done it.
 */
import { createClient } from 'redis'
import type { FleetLog } from '../../lib/stats/fleet-log.ts'
import { CountedRequests, diceOf, flusherOf, logOf, NAMES } from './fleet-scene.ts'

export type FleetTask =
  | { readonly type: 'count', readonly requests: number }
  /** Tells all there is, however often that takes. */
  | { readonly type: 'tell' }
  /** Closes, which tells the rest, and ends. */
  | { readonly type: 'close' }

export interface FleetReport {
  readonly type: 'ready' | 'counted' | 'told' | 'closed'
  readonly lost: number
  readonly known: number
}

const [url, prefix, seed, how] = process.argv.slice(2) as [string, string, string, string | undefined]
const client = createClient({ url })
client.on('error', () => {})
await client.connect()
let [added, lost, known] = [0, 0, 0]
const log = lossy(logOf(client as never, prefix))
const app = new CountedRequests(NAMES, diceOf(Number(seed)))
const flusher = flusherOf({ log, counts: app.counts, everyMs: 20 })
flusher.start()
process.once('disconnect', () => { process.exit() }) // the parent has ended
process.on('message', (task: FleetTask) => { void work(task) })
tell('ready')

async function work (task: FleetTask): Promise<void> {
  if (task.type === 'count') {
    for (let left = task.requests; left > 0; left -= 100) {
      app.count(Math.min(left, 100))
      await new Promise((resolve) => { setTimeout(resolve, 2) }) // so that it is told in many parts
    }
    return tell('counted')
  }
  if (task.type === 'tell') {
    do await flusher.flush(); while (flusher.stats.pending > 0)
    return tell('told')
  }
  await flusher.close()
  await client.close()
  tell('closed')
  process.removeAllListeners('disconnect')
  process.disconnect()
}

function lossy (log: FleetLog): FleetLog {
  if (how !== 'lossy') return log
  return {
    mostLabels: log.mostLabels,
    now: () => log.now(),
    read: (bucket) => log.read(bucket),
    async add (bucket, told) {
      const outcome = await log.add(bucket, told)
      if (outcome === 'known') known++
      if (++added % 3 !== 0) return outcome
      lost++
      throw new Error('the answer was lost')
    }
  }
}

function tell (type: FleetReport['type']): void {
  process.send!({ type, lost, known } satisfies FleetReport)
}
