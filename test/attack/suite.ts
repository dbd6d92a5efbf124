import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Ask } from '../../lib/audit/exchange.ts'
import { auditCache, type AuditReport } from '../../lib/audit/index.ts'
import type { Probe } from '../../lib/audit/probe.ts'
import { allProbes } from '../../lib/audit/probes/index.ts'
import { probeUrl, type AuditedUrl, type Finding } from '../../lib/audit/run-probes.ts'
import { buildApp } from '../../examples/places/app.ts'
import { openDatabase } from '../../examples/places/database.ts'
import { loadPlaces } from '../../examples/places/load-places.ts'
import { runProgram } from '../helpers/run-program.ts'
import { carelessApp, carelessUrls } from './careless-app.ts'
import { fleetProbes } from './fleet-probes.ts'
import { sceneProbes, type SceneProbe } from './scene-probes.ts'
import { injectAsk, serving, socketAsk } from './site.ts'
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

/** How much of everything. */
export interface Extent {
  /** All probes against the routes that tell most, and of the others only those probes that are about them. Default: all against all. */
  readonly isShort?: boolean
}

/** Routes of the careless app that between them are stored for every reason and show whatever a probe sends. */
const TELLING = [
  '/fields', '/page', '/mutated', '/cookies', '/public-private', '/varies', '/late-stream', '/account/profile', '/files/a.txt', '/big-headers', '/conditional', '/ttl'
]

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
async function places ({ isShort = false }: Extent): Promise<Outcome[]> {
  const db = await openDatabase()
  try {
    await loadPlaces(db, { countries: ['LI'] })
    const app = await buildApp(db)
    try {
      const vaduz = await db.first<{ id: number }>('select id from places order by population desc limit 1')
      const urls = [`/places/${vaduz!.id}`, '/places?q=va', '/me/saved', '/countries/LI/areas']
      return outcomes('places', isShort ? await probed(urls.slice(0, 2), injectAsk(app)) : await auditCache(app, { urls, users: USERS }))
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
  return outcomes(app, await probed(urls, socketAsk(port, settled)))
}

/** All probes against these URLs. */
async function probed (urls: readonly string[], ask: Ask): Promise<Pick<AuditReport, 'findings' | 'routes'>> {
  const [routes, findings]: [AuditedUrl[], Finding[]] = [[], []]
  for (const url of urls) {
    const found = await probeUrl(url, { probes, people: USERS, ask })
    routes.push(found.audited)
    findings.push(...found.findings)
  }
  return { routes, findings }
}

async function carelessInProcess ({ isShort = false }: Extent): Promise<Outcome[]> {
  const app = await carelessApp()
  try {
    return outcomes('careless', isShort ? await probed(TELLING, injectAsk(app)) : await auditCache(app, { urls: carelessUrls, users: USERS, allowUnsafe: true }))
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
async function wrongOptions ({ isShort = false }: Extent): Promise<Outcome[]> {
  const app = await wrongApp()
  try {
    const { findings } = isShort ? await probedForEach(app) : await auditCache(app, { ...wrongAudit, urls: Object.keys(wrong).flatMap((name) => [`/wrong/${name}`, `/right/${name}`]) })
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

/** The probe that has to find the wrong route, against that one and the right one beside it. */
async function probedForEach (app: FastifyInstance): Promise<{ findings: Finding[] }> {
  const [findings, known]: [Finding[], readonly Probe[]] = [[], allProbes({ names: wrongAudit.names, allowUnsafe: false })]
  for (const [name, { found }] of Object.entries(wrong)) {
    for (const side of ['wrong', 'right']) {
      const { findings: some } = await probeUrl(`/${side}/${name}`, { probes: known.filter((probe) => probe.name === found), people: wrongAudit.users, ask: injectAsk(app) })
      findings.push(...some)
    }
  }
  return { findings }
}

/** Everything, by the name of what is attacked. */
export function attacks (redisUrl: string, extent: Extent = {}): Readonly<Record<string, () => Promise<Outcome[]>>> {
  return {
    'the careless app': () => carelessInProcess(extent),
    'the careless app over sockets': carelessOverSockets,
    'scenes of their own': async () => await runScenes('own scene', sceneProbes),
    'two processes with one Redis': async () => await runScenes('fleet with Redis', fleetProbes(redisUrl)),
    'wrong options': () => wrongOptions(extent),
    'the example of the places': () => places(extent),
    'the example of a response for each user': perUser
  }
}
