/** The clients: `node --import=tsx test/chaos/load-process.ts '<LoadSettings as JSON>'`, with a channel to its parent. */
import { endWithParent, tell } from '../herd/settings.ts'
import { Load } from './load.ts'
import type { LoadCommand, LoadSettings } from './settings.ts'

endWithParent()
const load = new Load(JSON.parse(process.argv[2]!) as LoadSettings)
process.on('message', (command: LoadCommand) => { void obey(command) })
tell({ type: 'ready' })

async function obey (command: LoadCommand): Promise<void> {
  if (command === 'start') load.start()
  if (command === 'stop') await load.stop()
  tell(load.take())
}
