import Fastify, { type FastifyInstance } from 'fastify'
import responseCache, { type CacheRequest, type ResponseCacheOptions } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { stores } from '../plugin/stores.ts'
import { Dice } from './dice.ts'
import { runsOf, seedOf } from './runs.ts'
import { declare, type Life } from './user-handlers.ts'
import { idOf, NAMES, planOf, saidBy, type AppUser, type Plan } from './user-plans.ts'
import { runSequence, type Seen } from './user-sequences.ts'

/*
 * Two users and nobody ask for random routes, whose handlers answer with who asked. Nobody is ever given another one's name, from a hit, a
 * stale response, a wait for somebody else's handler, or an error. A failure tells the seed of its app: with it as `SEED`, and `APPS=1`, that
 * app is the only one.
 */

const SEED = seedOf(20_261_121)
/** Each with a route of its own, in one app. */
const SEQUENCES = 10

const places: Record<string, { apps: number, optionsOf: (t: Test) => Promise<ResponseCacheOptions> }> = {
  memory: { apps: 80, optionsOf: stores.memory! },
  Redis: { apps: 13, optionsOf: stores.Redis! },
  'memory in front of Redis': { apps: 7, optionsOf: async (t) => ({ ...await stores.Redis!(t), memory: {} }) }
}

for (const [place, { apps, optionsOf }] of Object.entries(places)) {
  test(`in random sequences of requests nobody is given what is for another user [${place}]`, async (t) => {
    const count = process.env.APPS === undefined ? runsOf(apps) : Number(process.env.APPS)
    const seen: Seen = new Map()
    const cache = await optionsOf(t)
    t.comment(`SEED=${SEED}`)
    for (let at = 0; at < count; at++) {
      const wrong = await runApp(SEED + at, cache, seen)
      if (wrong !== undefined) return t.fail(`SEED=${SEED + at}: ${wrong}`)
    }
    t.pass(`${count * SEQUENCES} sequences`)
    report(t, seen)
    if (count >= apps) enough(t, seen)
  })
}

async function runApp (seed: number, cache: ResponseCacheOptions, seen: Seen): Promise<string | undefined> {
  const dice = new Dice(seed)
  const clock = { now: Date.UTC(2026, 0, 1) }
  const life: Life = { dice, running: 0 }
  const appUser = dice.pick<AppUser>(['request.user', 'the seat', 'a number'])
  const app = Fastify()
  try {
    app.decorateRequest('user', null)
    await app.register(responseCache, { ...cache, ...cache.prefix === undefined ? {} : { prefix: `${cache.prefix}-${seed}` }, clock: () => clock.now, ...userOption(appUser) })
    const plans = await declareAll(app, dice, { life, appUser })
    await app.ready()
    await app.cache.connect()
    for (const plan of plans) {
      const wrong = await runSequence({ app, life, clock, seen }, plan)
      if (wrong !== undefined) return wrong
    }
    return undefined
  } finally {
    await app.close()
  }
}

async function declareAll (app: FastifyInstance, dice: Dice, { life, appUser }: { life: Life, appUser: AppUser }): Promise<Plan[]> {
  const plans = Array.from({ length: SEQUENCES }, (_, at) => planOf(dice, `/${at}/:id`, appUser))
  for (const plan of plans) await declare(app, plan, life)
  return plans
}

function userOption (appUser: AppUser): ResponseCacheOptions {
  switch (appUser) {
    case 'request.user': return {}
    case 'the seat': return { user: (request: CacheRequest) => idOf(request.user) ?? saidBy(request, 'x-seat') }
    case 'a number': return {
      user: (request: CacheRequest) => {
        const at = NAMES.findIndex((name) => name === idOf(request.user))
        return at === -1 ? undefined : at + 1
      }
    }
  }
}

function report (t: Test, seen: Seen): void {
  for (const [kind, { answers, named }] of [...seen].sort()) t.comment(`${kind}: ${answers}, ${named} with the name of who asked`)
}

/** Names are kept apart only where there are some. */
function enough (t: Test, seen: Seen): void {
  const all = ['HIT', 'STALE', 'MISS', 'BYPASS', 'collapsed'].reduce((sum, kind) => sum + (seen.get(kind)?.answers ?? 0), 0)
  const least = { HIT: [0.1, 0.02], STALE: [0.005, 0.001], MISS: [0.2, 0.1], BYPASS: [0.05, 0.03], collapsed: [0.015, 0.004] } as const
  for (const [kind, [share, named]] of Object.entries(least)) {
    const found = seen.get(kind) ?? { answers: 0, named: 0 }
    t.ok(found.answers >= share * all && found.named >= named * all, `${kind}: ${found.answers} of ${all}, ${found.named} with a name`)
  }
}
