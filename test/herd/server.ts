/** A server of the herd: `node --import=tsx test/herd/server.ts '<ServerSettings as JSON>'`, with a channel to its parent. */
import type { AddressInfo } from 'node:net'
import { buildApp } from './app.ts'
import { endWithParent, tell, type ServerCommand, type ServerReport, type ServerSettings } from './settings.ts'

const settings = JSON.parse(process.argv[2]!) as ServerSettings
endWithParent()

const { app, setOrigin } = await buildApp(settings, (run) => say({ type: 'run', run }))
await app.listen({ host: '127.0.0.1', port: 0 })
if (settings.cache !== undefined) await app.cache.connect()
process.on('message', (command: ServerCommand) => {
  if (command.type === 'origin') return setOrigin(command.port)
  const { user, system } = process.cpuUsage()
  say({ type: 'cpu', micros: user + system })
})
say({ type: 'ready', port: (app.server.address() as AddressInfo).port })

function say (report: ServerReport): void {
  tell(report)
}
