/** One process of the app: `node --import=tsx test/chaos/app-process.ts '<AppSettings as JSON>'`, with a channel to its parent. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { endWithParent, tell } from '../herd/settings.ts'
import { collect } from '../oracle/costs.ts'
import { buildApp } from './app.ts'
import type { AppReport, AppSettings, Measured } from './settings.ts'
import { openVersions } from './versions.ts'

const LONGEST_DRAIN_MS = 2000

endWithParent()
let uncaught: string[] = []
process.on('unhandledRejection', (fault) => { uncaught.push(`unhandled rejection: ${described(fault)}`) })
process.on('uncaughtException', (fault) => { uncaught.push(`uncaught exception: ${described(fault)}`) })

const settings = JSON.parse(process.argv[2]!) as AppSettings
const app = await buildApp(settings, await openVersions(settings.versionsUrl))
await app.listen({ host: '127.0.0.1', port: 0 })
if (settings.cache !== undefined) await app.cache.connect()
say({ type: 'ready', port: (app.server.address() as AddressInfo).port })
for (;;) {
  await once(process, 'message') // measure
  say({ type: 'measured', ...await measure() })
}

async function measure (): Promise<Measured> {
  const giveUpAt = performance.now() + LONGEST_DRAIN_MS
  while (await connections() > 0 && performance.now() < giveUpAt) await sleep(20)
  const handles: Record<string, number> = {}
  for (const type of process.getActiveResourcesInfo()) handles[type] = (handles[type] ?? 0) + 1
  handles.TCPSocketWrap = (handles.TCPSocketWrap ?? 0) - await connections()
  collect()
  const told = uncaught
  uncaught = []
  return { handles, heapBytes: process.memoryUsage().heapUsed, uncaught: told }
}

async function connections (): Promise<number> {
  return await new Promise((resolve, reject) => { app.server.getConnections((fault, count) => { fault === null ? resolve(count) : reject(fault) }) })
}

function described (fault: unknown): string {
  return fault instanceof Error ? fault.stack ?? fault.message : String(fault)
}

function say (report: AppReport): void {
  tell(report)
}
