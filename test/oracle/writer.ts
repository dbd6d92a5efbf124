import type { FastifyInstance } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from './database.ts'
import { FORMS, formsFor } from './forms.ts'
import { below, oneOf } from './random.ts'
import { now, type ProcessSettings, type Report } from './settings.ts'
import { kindOf, THINGS } from './things.ts'

/** Invalidates until enough is acknowledged. */
export async function write (app: FastifyInstance, database: Database, settings: ProcessSettings): Promise<Report> {
  const { loops, firstLoop, allLoops, invalidations, restMs } = settings
  const formOf = formsFor(app, database)
  const acks: number[] = []
  let [begun, refused] = [0, 0]

  async function loop (number: number): Promise<void> {
    // Who sets values has to keep their order, so each belongs to one loop; whatever is filled by its readers may be invalidated by any.
    const things = Array.from({ length: THINGS }, (_, thing) => thing).filter((thing) => kindOf(thing) === 'response' || thing % allLoops === number)
    while (begun < invalidations) {
      begun++
      const thing = oneOf(things)
      const { name, form } = formOf(thing)
      const version = await form(thing).catch(unavailable)
      if (version === undefined) {
        begun--
        refused++
        await sleep(20)
      } else {
        acks.push(thing, version, now(), FORMS.indexOf(name))
      }
      if (restMs > 0) await sleep(below(2 * restMs))
    }
  }

  await Promise.all(Array.from({ length: loops }, (_, at) => loop(firstLoop + at)))
  return { type: 'acks', acks: Float64Array.from(acks), refused }
}

function unavailable (fault: unknown): undefined {
  const { code } = fault as { code?: string }
  if (code === 'RESPONSE_CACHE_ERR_INVALIDATION_PENDING' || code === 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE') return undefined
  throw fault
}
