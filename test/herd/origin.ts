/** What the handlers of `/origin/:id` ask: `node --import=tsx test/herd/origin.ts`, with a channel to its parent. It says its port. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { endWithParent, tell } from './settings.ts'

endWithParent()
const server = createServer((request, response) => { response.end(`answer to ${request.url ?? ''}`) })
server.listen(0, '127.0.0.1', () => {
  try {
    tell({ port: (server.address() as AddressInfo).port })
  } catch {
    process.exit(1) // nobody is there to be told
  }
})
