// What every server under measurement has in common: it counts the calls of its handler, tells the bench where it
// listens, and answers the bench's two questions: how many calls, how much CPU time.
import { createHash } from 'node:crypto'
import { body, payload } from './payload.js'

let handlerCalls = 0

export function produce () {
  handlerCalls++
  return payload
}

export function announce (port) {
  process.on('message', () => process.send({ handlerCalls, cpu: process.cpuUsage() }))
  process.on('disconnect', () => process.exit())
  process.send({ port, bodyHash: createHash('sha256').update(body).digest('hex') })
}

export async function serve (app) {
  await app.listen({ host: '127.0.0.1', port: 0 })
  announce(app.server.address().port)
}
