/**
 * A process that takes leases: `node --import=tsx test/store/leases-process.ts <url> <prefix>`, with a channel to its parent. It does what
 * each message says and tells what came of it.
 */
import { createClient } from 'redis'
import type { LeaseAnswer } from '../../lib/leases.ts'
import { leasesOf } from './leases-scene.ts'

/** Asks for one lease `callers` times at once and releases it after `workMs`; never, without that. */
export interface LeaseTask {
  readonly name: string
  readonly callers: number
  readonly leaseMs: number
  readonly waitMs: number
  readonly workMs?: number
}

export type LeaseReport =
  | { readonly type: 'ready' | 'granted' }
  | { readonly type: 'done', readonly answers: ReadonlyArray<{ readonly what: string, readonly at: number }>, readonly releasedAt?: number }

const [url, prefix] = process.argv.slice(2) as [string, string]
const client = createClient({ url })
client.on('error', () => {})
await client.connect()
const { leases } = leasesOf(client, { prefix })
process.once('disconnect', () => { process.exit() }) // the parent has ended
process.on('message', (task: LeaseTask | 'end') => { void (task === 'end' ? end() : work(task)) })
tell({ type: 'ready' })

async function work ({ name, callers, leaseMs, waitMs, workMs }: LeaseTask): Promise<void> {
  let releasedAt: number | undefined
  const answers = await Promise.all(Array.from({ length: callers }, async () => {
    const answer = await leases.acquire(name, { leaseMs, waitMs })
    const at = now()
    if (answer.outcome === 'granted') {
      tell({ type: 'granted' })
      if (workMs !== undefined) {
        await new Promise((resolve) => { setTimeout(resolve, workMs) })
        releasedAt = now()
        await answer.lease.release('stored')
      }
    }
    return { what: whatOf(answer), at }
  }))
  tell({ type: 'done', answers, ...(releasedAt === undefined ? {} : { releasedAt }) })
}

/** Whatever it holds and has listened to: only what is open in Redis is closed. */
async function end (): Promise<void> {
  process.removeAllListeners('disconnect')
  await client.close()
  process.disconnect()
}

function whatOf (answer: LeaseAnswer): string {
  return answer.outcome === 'ended' ? answer.how : answer.outcome
}

/** The same for all processes of a machine. */
function now (): number {
  return performance.timeOrigin + performance.now()
}

function tell (report: LeaseReport): void {
  process.send!(report)
}
