import { join } from 'node:path'
import { auditCache, type AuditReport } from '../../lib/audit/index.ts'
import { allProbes } from '../../lib/audit/probes/index.ts'
import { probeUrl } from '../../lib/audit/run-probes.ts'
import { buildApp } from '../../examples/places/app.ts'
import { openDatabase } from '../../examples/places/database.ts'
import { loadPlaces } from '../../examples/places/load-places.ts'
import { runProgram } from '../helpers/run-program.ts'
import { carelessApp, carelessUrls } from './careless-app.ts'
import { fleetProbes } from './fleet-probes.ts'
import { sceneProbes, type SceneProbe } from './scene-probes.ts'
import { serving, socketAsk } from './site.ts'
import { socketProbes } from './socket-probes.ts'
import { wrong, wrongApp, wrongAudit } from './wrong-app.ts'

/** What came of one probe against one app. */
export interface Outcome {
  readonly probe: string
  readonly reference: string
  readonly app: string
  /** What went wrong; `undefined`: it held. */
  readonly broken: string | undefined
  /** It is about the audit, not an attack of its own. */
  readonly isCheck?: true
}

const ADA = { authorization: 'Bearer ada' }
const GRACE = { authorization: 'Bearer grace' }
const USERS = [ADA, GRACE]

const probes = allProbes({ names: {}, allowUnsafe: true })

/** One outcome for each probe of the audit, over all URLs of an app. */
function outcomes (app: string, { findings, routes }: Pick<AuditReport, 'findings' | 'routes'>): Outcome[] {
  const found = probes.map(({ name, reference }) => {
    const finding = findings.find(({ probe }) => probe === name)
    return { probe: name, reference, app, broken: finding && `${finding.route}: ${finding.evidence}` }
  })
  // What is not cached holds against everything.
  const cached = routes.filter(({ isCached }) => isCached).length
  return [...found, { probe: 'there is something to attack', reference: '-', app, broken: cached > 0 ? undefined : 'none of its responses is cached', isCheck: true }]
}

async function runScenes (app: string, scenes: readonly SceneProbe[]): Promise<Outcome[]> {
  const found: Outcome[] = []
  for (const { name, reference, run } of scenes) found.push({ probe: name, reference, app, broken: await run() })
  return found
}

/** The example of the places, with those of a small country. */
async function places (): Promise<Outcome[]> {
  const db = await openDatabase()
  try {
    await loadPlaces(db, { countries: ['LI'] })
    const app = await buildApp(db)
    try {
      const vaduz = await db.first<{ id: number }>('select id from places order by population desc limit 1')
      const urls = [`/places/${vaduz!.id}`, '/places?q=va', '/me/saved', '/countries/LI/areas']
      return outcomes('places', await auditCache(app, { urls, users: USERS }))
    } finally {
      await app.close()
    }
  } finally {
    await db.close()
  }
}

/** The example of a response for each user, as a program of its own. */
async function perUser (): Promise<Outcome[]> {
  const found: Outcome[] = []
  const { problem } = await runProgram(join(import.meta.dirname, '..', '..', 'examples', 'per-user.ts'), {
    timeoutMs: 300_000,
    visit: async (origin) => { found.push(...await overSockets('per-user', { port: Number(new URL(origin).port), urls: ['/me', '/menu'] })) }
  })
  if (problem !== undefined) throw new Error(problem)
  return found
}

async function overSockets (app: string, { port, urls, settled }: { port: number, urls: readonly string[], settled?: () => Promise<unknown> }): Promise<Outcome[]> {
  const all = { routes: [], findings: [] } as { routes: Array<AuditReport['routes'][number]>, findings: Array<AuditReport['findings'][number]> }
  for (const url of urls) {
    const { audited, findings } = await probeUrl(url, { probes, people: USERS, ask: socketAsk(port, settled) })
    all.routes.push(audited)
    all.findings.push(...findings)
  }
  return outcomes(app, all)
}

async function carelessInProcess (): Promise<Outcome[]> {
  const app = await carelessApp()
  try {
    return outcomes('careless', await auditCache(app, { urls: carelessUrls, users: USERS, allowUnsafe: true }))
  } finally {
    await app.close()
  }
}

/** Where the bytes of the request matter. */
const RAW_URLS = ['/raw-url', '/own-query', '/page', '/override']

async function carelessOverSockets (): Promise<Outcome[]> {
  return await serving(await carelessApp(), async (site) => {
    const settled = async (): Promise<unknown> => await site.app.cache.ping()
    const found = await overSockets('careless over sockets', { port: site.port, urls: RAW_URLS, settled })
    for (const { name, reference, run } of socketProbes) {
      await site.app.cache.invalidateAll()
      found.push({ probe: name, reference, app: 'careless over sockets', broken: await run(site) })
    }
    return found
  })
}

/** Options that promise what is not so have to be found; beside them there is nothing to find. */
async function wrongOptions (): Promise<Outcome[]> {
  const app = await wrongApp()
  try {
    const { findings } = await auditCache(app, { ...wrongAudit, urls: Object.keys(wrong).flatMap((name) => [`/wrong/${name}`, `/right/${name}`]) })
    return Object.entries(wrong).flatMap(([name, { found }]) => {
      const [faults, alarms] = ['wrong', 'right'].map((side) => findings.filter(({ route }) => route === `/${side}/${name}`))
      const finding = faults!.find(({ probe }) => probe === found)
      const reference = probes.find((probe) => probe.name === found)?.reference ?? '-'
      const others = faults!.map(({ probe }) => probe).join(', ') || 'nothing'
      return [
        { probe: `found: ${found}`, reference, app: `wrong options: ${name}`, broken: finding === undefined ? `the audit has found ${others}` : undefined, isCheck: true },
        { probe: `no false alarm: ${found}`, reference, app: `right options: ${name}`, broken: alarms![0] && `the audit has found ${alarms![0].probe}: ${alarms![0].evidence}`, isCheck: true }
      ]
    })
  } finally {
    await app.close()
  }
}

/** Everything, by the name of what is attacked. */
export function attacks (redisUrl: string): Readonly<Record<string, () => Promise<Outcome[]>>> {
  return {
    'the careless app': carelessInProcess,
    'the careless app over sockets': carelessOverSockets,
    'scenes of their own': async () => await runScenes('own scene', sceneProbes),
    'two processes with one Redis': async () => await runScenes('fleet with Redis', fleetProbes(redisUrl)),
    'wrong options': wrongOptions,
    'the example of the places': places,
    'the example of a response for each user': perUser
  }
}
