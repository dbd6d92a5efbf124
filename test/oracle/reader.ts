import type { FastifyInstance } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from './database.ts'
import { observed, sourceOf } from './observed.ts'
import { below, handlerTime, oneOf, skewed } from './random.ts'
import { now, SOURCE, type ProcessSettings, type Report } from './settings.ts'
import { keyOf, kindOf, tagsOf, THINGS, urlOf, userOf } from './things.ts'

interface Got {
  /** Undefined: there is nothing. */
  readonly version: number | undefined
  readonly isHit: boolean
}

/** Reads through the cache until it is told to stop. */
export async function read (app: FastifyInstance, database: Database, { settings, stopped }: { settings: ProcessSettings, stopped: AbortSignal }): Promise<Report> {
  const responses: number[] = []
  let without = 0

  async function loop (): Promise<void> {
    while (!stopped.aborted) {
      // The most popular things are of all kinds.
      const thing = settings.things === undefined ? skewed(THINGS) * 37 % THINGS : oneOf(settings.things)
      const beganAt = now()
      const { result: { version, isHit }, seen } = await observed(() => ask(app, database, thing))
      if (version === undefined) without++
      else responses.push(thing, version, beganAt, isHit ? seen.copiedAt : 0, isHit ? sourceOf(seen) : SOURCE.handler)
      if (settings.restMs > 0) await sleep(below(2 * settings.restMs))
    }
  }

  await Promise.all(Array.from({ length: settings.loops }, loop))
  return { type: 'responses', responses: Float64Array.from(responses), without }
}

async function ask (app: FastifyInstance, database: Database, thing: number): Promise<Got> {
  const kind = kindOf(thing)
  if (kind === 'response') return await askRoute(app, thing)
  if (kind === 'produced') return await askProducer(app, database, thing)
  const version = (await app.cache.get<{ version: number }>(keyOf(thing)))?.version
  return { version, isHit: version !== undefined }
}

async function askRoute (app: FastifyInstance, thing: number): Promise<Got> {
  const response = await app.inject({ url: urlOf(thing), headers: { 'x-user': userOf(thing) } })
  const word = response.headers['x-cache']
  if (response.statusCode !== 200 || (word !== 'HIT' && word !== 'MISS')) throw new Error(`${urlOf(thing)} answered ${response.statusCode}, X-Cache: ${String(word)}`)
  return { version: response.json<{ version: number }>().version, isHit: word === 'HIT' }
}

/** Who waits for a producer that somebody else has started gets what is not older than his question either. */
async function askProducer (app: FastifyInstance, database: Database, thing: number): Promise<Got> {
  let isHit = true
  const { late } = tagsOf(thing)
  const { version } = await app.cache.getOrSet(keyOf(thing), async () => {
    isHit = false
    await handlerTime()
    const version = await database.read(thing)
    await handlerTime()
    return { version }
  }, { tags: thing % 3 === 0 ? () => [late] : [late] })
  return { version, isHit }
}
