/**
 * A process that only hears of invalidations: `node --import=tsx test/oracle/listener.ts <url> <prefix>`, with a channel to its
 * parent. To each message it answers with its CPU time in microseconds, the time, and how many marks it knows.
 */
import { openStore } from '../../lib/create-cache.ts'
import { cacheSettings } from '../../lib/options/resolve.ts'

export interface Heard {
  readonly cpuMicros: number
  readonly at: number
  readonly clock: number
}

const store = openStore(cacheSettings({ redis: process.argv[2]!, prefix: process.argv[3]!, memory: {} }))
await store.connect()
await store.marks.refresh()
process.once('disconnect', () => { process.exit() })
process.on('message', tell)
tell()

function tell (): void {
  const { user, system } = process.cpuUsage()
  process.send!({ cpuMicros: user + system, at: performance.now(), clock: store.marks.ledger.clock } satisfies Heard)
}
