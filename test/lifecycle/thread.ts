/** A worker thread with an app of its own. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { buildSharingApp, type SharingSettings, type WorkerCommand, type WorkerReport } from './sharing-app.ts'

const port = parentPort!
const tell = (report: WorkerReport): void => { port.postMessage(report) }

const app = await buildSharingApp(workerData as SharingSettings, async () => {
  const goesOn = once(port, 'message')
  tell('held')
  await goesOn
})
await app.listen({ host: '127.0.0.1', port: 0 })
await app.cache.connect()
port.on('message', (command: WorkerCommand) => {
  // The thread ends by itself once nothing keeps it.
  if (command === 'close') void app.close().then(() => { port.close() })
})
tell({ port: (app.server.address() as AddressInfo).port })
