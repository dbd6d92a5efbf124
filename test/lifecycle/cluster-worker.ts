/** A worker of the cluster module: all of them share a port. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { buildSharingApp, type SharingSettings, type WorkerCommand, type WorkerReport } from './sharing-app.ts'

const tell = (report: WorkerReport): void => { process.send!(report) }

const app = await buildSharingApp(JSON.parse(process.argv[2]!) as SharingSettings, async () => {
  const goesOn = once(process, 'message')
  tell('held')
  await goesOn
})
await app.listen({ host: '127.0.0.1', port: 0 })
await app.cache.connect()
process.on('message', (command: WorkerCommand) => {
  if (command === 'close') void app.close().then(() => { process.disconnect() })
})
tell({ port: (app.server.address() as AddressInfo).port })
