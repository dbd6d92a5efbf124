/** A program that has flushers, one of which has told something, and nothing else to do. */
import { LocalFleetLog } from '../../lib/stats/fleet-log.ts'
import { Flusher } from '../../lib/stats/flusher.ts'
import { CountedRequests, diceOf } from './fleet-scene.ts'

const app = new CountedRequests(['GET /a'], diceOf(1))
const log = new LocalFleetLog({ clock: Date.now })
let looked = 0
const counts = (): ReturnType<typeof app.counts> => {
  looked++
  return app.counts()
}
new Flusher({ log, counts: app.counts, everyMs: 600_000, random: () => 1 }).start()
new Flusher({ log, counts, everyMs: 20 }).start()
const waiting = setInterval(() => {
  app.count(1)
  if (looked < 3) return
  clearInterval(waiting)
  console.log('ends')
}, 5)
