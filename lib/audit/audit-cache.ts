import type { FastifyInstance, InjectOptions } from 'fastify'
import { inTime } from '../deadline.ts'
import { expectedGot, InvalidOptionError } from '../errors.ts'
import { boolean, checkOptions, fieldNames, isPlainObject, listOf, type Rule, type Rules } from '../options/check.ts'
import { kCachedRoutes } from '../route/cached-routes.ts'
import { mayShareUrl } from '../route/url-patterns.ts'
import type { Ask } from './exchange.ts'
import type { Names } from './probe.ts'
import { allProbes } from './probes/index.ts'
import { probeUrl, type AuditedUrl, type Finding } from './run-probes.ts'
import type { Person } from './scene.ts'

const twoUsers: Rule = {
  expected: 'a list of at least two users, each an object of header fields such as { authorization: \'Bearer …\' }: what they get is compared',
  secret: true,
  accepts: (value) => Array.isArray(value) && value.length !== 1 && value.every(isPlainObject)
}
const NAME_RULES: Rules<Names> = { headers: fieldNames, cookies: fieldNames, query: listOf('parameter names', (name) => typeof name === 'string') }
const RULES: Rules<AuditOptions> = {
  urls: listOf('paths that begin with "/"', () => true),
  users: twoUsers,
  names: { expected: 'an object of lists of names', accepts: isPlainObject },
  host: { expected: 'a host such as \'www.example\'', accepts: (value) => typeof value === 'string' && value !== '' },
  allowUnsafe: boolean
}

/** A handler or a store that takes longer is not waited for. */
const LONGEST_MS = 10_000

export interface AuditOptions {
  /**
   * URLs to audit: path, perhaps with a query. Needed for routes with parameters, of which one URL each is enough. Default: the
   * cached GET routes without parameters. These are audited as well.
   */
  urls?: readonly string[]
  /** Header fields of users for testing, such as `{ authorization: 'Bearer …' }`. With two or more, what they get is compared. Default none. */
  users?: ReadonlyArray<Readonly<Record<string, string>>>
  /** Names that the app reads, beyond the well-known ones that are tried anyway. Default none. */
  names?: Names
  /**
   * The host of all requests, for an app that answers for certain hosts only. Before each probe the URL is then invalidated. Default: hosts
   * that do not exist, another one for each probe, so that users cannot get what a probe has stored.
   */
  host?: string
  /** Send requests with `POST` as well. Default `false`: only `GET`, `HEAD` and `OPTIONS`. */
  allowUnsafe?: boolean
}

export interface AuditReport {
  /** How many different probes have run against each URL. */
  readonly probes: number
  /** How many requests that took. */
  readonly requests: number
  readonly routes: readonly AuditedUrl[]
  /** Patterns of cached GET routes without a URL in `urls`, which were not audited. */
  readonly notAudited: readonly string[]
  readonly findings: readonly Finding[]
}

/**
 * Sends harmless requests to the cached routes of an app, in process, and tells what one client could get of another one. Meant for
 * tests: the handlers run some hundred times. Errors: `RESPONSE_CACHE_ERR_OPTION_INVALID` when there is nothing
 * to audit, `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE` when the store does not answer.
 */
export async function auditCache (app: FastifyInstance, options: AuditOptions = {}): Promise<AuditReport> {
  checkOptions<AuditOptions>(options, RULES, 'auditCache()')
  checkOptions<Names>(options.names ?? {}, NAME_RULES, 'names in auditCache()')
  const { urls = [], users = [], names = {}, host, allowUnsafe = false } = options
  checkUrls(urls)
  await app.ready()
  const patterns = cachedPatterns(app)
  const targets = [...new Set([...patterns.filter((pattern) => !/[:*]/.test(pattern)), ...urls])]
  if (targets.length === 0) throw new InvalidOptionError('urls', 'auditCache()', 'expected at least one URL, because the app has no cached GET route without parameters')
  // Where the store is away, this says so: with nothing stored there would be nothing to find.
  await inTime(LONGEST_MS, app.cache.connect()).catch(() => app.cache.ping())
  const notAudited = patterns.filter((pattern) => !targets.some((url) => mayShareUrl(pattern, url.split('?', 1)[0]!)))

  let requests = 0
  const send = injectInto(app)
  const ask: Ask = async (request) => {
    requests++
    return await send(request)
  }
  const probes = allProbes({ names, allowUnsafe })
  const people: Person[] = users.map((user) => lowerCase(user))
  const run = { probes, ask, people, ...host === undefined ? {} : { host, forget: async (url: string) => { await app.cache.invalidateUrl(url.split('?', 1)[0]!) } } }
  const [routes, findings]: [AuditedUrl[], Finding[]] = [[], []]
  for (const url of targets) {
    const found = await probeUrl(url, run)
    routes.push(found.audited)
    findings.push(...found.findings)
  }
  return { probes: probes.length, requests, routes, notAudited, findings }
}

function checkUrls (urls: readonly string[]): void {
  const wrong: unknown = urls.find((url: unknown) => typeof url !== 'string' || !url.startsWith('/'))
  if (wrong !== undefined) throw new InvalidOptionError('urls', 'auditCache()', expectedGot('paths that begin with "/"', wrong))
}

function cachedPatterns (app: FastifyInstance): string[] {
  if (!app.hasDecorator('cache')) throw new InvalidOptionError('app', 'auditCache()', 'expected an app with fastify-response-cache')
  const routes = app[kCachedRoutes] ?? []
  return [...new Set(routes.filter(({ methods }) => methods.includes('GET')).map(({ url }) => url))]
}

/** Requests over no network. With a store elsewhere, what a request has stored is there before the next one begins. */
function injectInto (app: FastifyInstance): Ask {
  return async ({ method, host, url, headers, body }) => {
    const request: InjectOptions = { method: method as InjectMethod, url, headers: { ...headers, host }, signal: AbortSignal.timeout(LONGEST_MS), ...body === undefined ? {} : { payload: body } }
    const answer = await app.inject(request).catch((fault: Error & { code?: unknown }) => {
      if (fault.name === 'TimeoutError' || fault.name === 'AbortError' || fault.code === 'LIGHT_ECONNRESET') return undefined
      throw fault
    })
    await app.cache.ping()
    // A client sees a connection that ends.
    return answer === undefined ? { status: 0, headers: {}, body: '' } : { status: answer.statusCode, headers: answer.headers, body: answer.rawPayload.toString('latin1') }
  }
}

type InjectMethod = NonNullable<InjectOptions['method']>

function lowerCase (headers: Readonly<Record<string, string>>): Person {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
