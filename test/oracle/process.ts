/** One process of the oracle: `node --import=tsx test/oracle/process.ts '<ProcessSettings as JSON>'`, with a channel to its parent. */
import { once } from 'node:events'
import { buildApp } from './app.ts'
import { Database } from './database.ts'
import { observeCopies } from './observed.ts'
import { read } from './reader.ts'
import type { Command, ProcessSettings, Report } from './settings.ts'
import { write } from './writer.ts'

const settings = JSON.parse(process.argv[2]!) as ProcessSettings
const stopping = new AbortController()
process.once('disconnect', () => { process.exit() }) // the parent has ended
observeCopies()

const database = new Database(settings.databaseUrl)
await database.connect()
const app = await buildApp(settings, database)
await tell({ type: 'ready' })
await once(process, 'message') // go
process.on('message', (command: Command) => { if (command.type === 'stop') stopping.abort() })
const report = settings.role === 'writer'
  ? await write(app, database, settings)
  : await read(app, database, { settings, stopped: stopping.signal })
await tell(report)
await app.close()
await database.close()
process.disconnect()

async function tell (report: Report): Promise<void> {
  await new Promise<void>((resolve, reject) => { process.send!(report, (fault: Error | null) => { fault === null ? resolve() : reject(fault) }) })
}
