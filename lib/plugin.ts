import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { Adviser } from './advice/adviser.ts'
import type { AuditMode, RouteAudit } from './audit/route-audit.ts'
import { Cache } from './client/cache.ts'
import { Fleet } from './client/fleet.ts'
import { openStore } from './create-cache.ts'
import { AlreadyRegisteredError, expectedGot, InvalidTargetError, NotAttachedError, UnguardedError } from './errors.ts'
import type { Logger } from './logger.ts'
import { labelsOf, type InvalidationTargets } from './marks/targets.ts'
import { checkTagLimits } from './options/limits.ts'
import { isTagList } from './options/check.ts'
import type { ResponseCacheOptions } from './options/plugin-options.ts'
import { routePolicy, writePolicy, type Invalidates, type RoutePolicy } from './options/policy.ts'
import { pluginSettings, type PluginSettings } from './options/resolve.ts'
import { ResponseCache } from './response-cache.ts'
import { inTime } from './deadline.ts'
import { repeatedHit, type HotHit } from './route/hot-hits.ts'
import { warmedApp } from './route/warmed-app.ts'
import { HotTracker } from './warming/hot-tracker.ts'
import { Warmer } from './warming/warmer.ts'
import { RouteAdmission } from './route/admission.ts'
import { Background } from './route/background.ts'
import { AppExplainer } from './route/explainer.ts'
import { kLooksUp, stopExplained } from './route/explain-stop.ts'
import { Collapsing } from './route/collapsing.ts'
import { sharingOf, type Sharing } from './route/sharing.ts'
import { Repeater } from './route/repeat.ts'
import { Announcer } from './route/announce.ts'
import { kCachedRoutes, type CachedRoute } from './route/cached-routes.ts'
import { kExchange, kTags, kTargets } from './route/exchange.ts'
import { hooksOf, isHeadOfGet, rootOf } from './route/fastify-internals.ts'
import { withHardTimeout } from './route/hard-timeout.ts'
import { RouteHooks } from './route/hooks.ts'
import { HitSender } from './route/send-hit.ts'
import { keepLast } from './route/last-hook.ts'
import { Lifetimes } from './route/lifetimes.ts'
import { MissFinisher } from './route/finish-miss.ts'
import { RouteObserver } from './route/observer.ts'
import { ResponseRecorder } from './route/response-recorder.ts'
import { RouteWarnings } from './route/warnings.ts'
import { SAFE_METHODS, WriteHooks } from './route/write-hooks.ts'
import { StatsBook } from './stats/stats-book.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The cache client of fastify-response-cache. */
    cache: Cache
  }
  interface FastifyReply {
    /** Adds tags to the response, if it is stored: an invalidation finds it by them. */
    cacheTags (...tags: string[]): this
    /** Invalidates before the answer is sent, if its status is below 400. For routes of unsafe methods, and those with `invalidates`, that are not cached. */
    cacheInvalidate (targets: InvalidationTargets): this
  }
}

/** What attaching a route needs of the plugin. */
interface Attaching {
  readonly settings: PluginSettings
  readonly engine: ResponseCache
  readonly client: Cache
  readonly adviser: Adviser
  readonly shared: Sharing
  readonly book: StatsBook
  /** In place of that of the request. */
  readonly ownLogger: Logger | undefined
  readonly repeater: Repeater
  /** Handlers of cached routes: the HEAD route that Fastify adds has that of its GET route, one of the app has its own. */
  readonly getHandlers: WeakSet<object>
  /** The patterns of cached routes. */
  readonly cachedUrls: Set<string>
  /** The same for an audit. */
  readonly cachedRoutes: CachedRoute[]
  /** Where the plugin option asks for it. */
  readonly auditOf: ((policy: RoutePolicy) => RouteAudit) | undefined
}

interface AttachedRoute {
  readonly instance: FastifyInstance
  readonly options: RouteOptions
  readonly policy: RoutePolicy
  readonly hooks: RouteHooks
}

/** So long closing waits for what runs in the background. */
const CLOSE_MS = 5000

/** Hooks that a hit in `onRequest` skips. */
const GUARD_HOOKS = ['preParsing', 'preValidation', 'preHandler'] as const

/** Marks the config of a route whose answers may invalidate. */
const kInvalidates = Symbol('fastify-response-cache.invalidates')

/** Marks the config of a route that has our hooks. */
const kAttached = Symbol('fastify-response-cache.attached')

async function responseCachePlugin (app: FastifyInstance, options: ResponseCacheOptions): Promise<void> {
  if (app.hasDecorator('cache')) throw new AlreadyRegisteredError()
  const settings = pluginSettings(options, app.log)
  const store = openStore(settings)
  const book = new StatsBook(settings.clock)
  const { logger, warm } = settings
  const repeater = new Repeater(app)
  const hot = warm?.countHits === true ? new HotTracker<HotHit>({ store: store.hot, toTarget: repeatedHit, logger }) : undefined
  const warmer = new Warmer({ app: warmedApp(app, repeater), getOrSet: (...args) => client.getOrSet(...args), has: (key) => client.has(key), connected: () => store.connectedSoon(), hot, leases: store.leases, logger })
  const [closing, ending] = [new AbortController(), new AbortController()]
  const engine = new ResponseCache({ store, clock: settings.clock, mostVariants: settings.limits.variants })
  const explainer = new AppExplainer({ app, repeater, cache: engine, store, closed: closing.signal })
  const adviser = new Adviser({ settings, store })
  const fleet = new Fleet(store, settings, () => book.snapshot())
  const cachedRoutes: CachedRoute[] = []
  const client: Cache = new Cache(store, settings, { warmer, explainer, book, adviser, fleet, routes: cachedRoutes })
  const attached: AttachedRoute[] = []
  const others: RouteOptions[] = []
  const shared = sharingOf(store, { ...settings, closed: closing.signal, ended: ending.signal, hot, onPublic: (route) => { adviser.sawPublic(route) } })
  const auditOf = settings.audit === undefined ? undefined : await loadAudit(settings.audit, logger)
  const attaching: Attaching = { settings, engine, client, adviser, shared, book, ownLogger: options.logger, repeater, getHandlers: new WeakSet(), cachedUrls: new Set(), cachedRoutes, auditOf }

  app.decorate('cache', client)
  app.decorate(kCachedRoutes, cachedRoutes)
  app.decorateReply('cacheTags', addTags)
  app.decorateReply('cacheInvalidate', addTargets)
  rootOf(app).addHook('onRequest', stopExplained) // also in other scopes, and where there is no route
  app.addHook('onRoute', function (route) {
    const one = attach(this, route, attaching)
    if (one === undefined) others.push(route)
    else attached.push(one)
  })
  app.addHook('onReady', async () => {
    attached.splice(0).forEach(settle)
    others.splice(0).forEach(refuseUnattached)
    fleet.start()
    adviser.start() // behind what the app does first
    // The app is ready once all these hooks are through, and does not wait for this.
    if (warm !== undefined) setImmediate(() => { warmer.start(warm) })
  })
  // Before the app ends what handlers use.
  app.addHook('preClose', async () => {
    warmer.close()
    closing.abort()
    await endBehind(shared)
    ending.abort()
  })
  app.addHook('onClose', async () => { await client.close() })
  if (hasRoutes(app)) refuseUnattachedRoutes(app)
}

/** Puts the hooks on a route that asks for the cache. */
function attach (instance: FastifyInstance, route: RouteOptions, attaching: Attaching): AttachedRoute | undefined {
  const { settings, getHandlers } = attaching
  const config = route.config?.cache
  const methods = [route.method].flat()
  const invalidates = writePolicy(config, `${methods.join(',')} ${route.url}`)
  const isHeadOnly = methods.length === 1 && methods[0] === 'HEAD'
  const hasOwnHead = isHeadOnly && !isHeadOfGet(route) && !getHandlers.has(route.handler)
  const policy = config === undefined ? undefined : routePolicy(config, { url: route.url, methods, hasOwnHead }, settings)
  if (invalidates !== undefined || (policy === undefined && !methods.some((method) => SAFE_METHODS.has(method)))) {
    const writes = writeHooks(route, invalidates, attaching)
    keepLast(route, 'preHandler', writes.stop)
    keepLast(route, 'onSend', writes.finish)
  }
  if (policy === undefined) return undefined
  attaching.cachedUrls.add(route.url)
  attaching.cachedRoutes.push({ url: route.url, methods, policy, ttls: settings.ttls })
  if (!isHeadOnly) {
    getHandlers.add(route.handler)
    attaching.adviser.add(policy)
  }
  const audit = attaching.auditOf?.(policy)
  if (audit !== undefined) {
    route.handler = audit.recorded(route.handler)
    getHandlers.add(route.handler) // as below
  }
  if (policy.hardMs !== undefined) {
    route.handler = withHardTimeout(route, { hardMs: policy.hardMs, route: policy.route })
    getHandlers.add(route.handler) // where the HEAD route gets it
  }
  // What its GET route has stored answers a HEAD: both count together.
  const counted = isHeadOnly && !hasOwnHead ? `GET ${route.url}` : policy.route
  const hooks = routeHooks(policy, route, { ...attaching, audit, counted })
  keepLast(route, policy.hook, hooks.lookUp)
  keepLast(route, 'onSend', hooks.finish)
  route.config = { ...route.config, [kAttached]: true, [kLooksUp]: true } as typeof route.config
  return { instance, options: route, policy, hooks }
}

/** RFC 9111 section 4.4 speaks of the unsafe methods. */
function writeHooks (route: RouteOptions, invalidates: Invalidates | undefined, { cachedUrls, client, settings }: Attaching): WriteHooks {
  route.config = { ...route.config, [kAttached]: true, [kInvalidates]: true } as typeof route.config
  return new WriteHooks({ client, invalidates, unsafeUrl: settings.invalidateOnWrite && isUnsafe(route) ? route.url : undefined, cachedUrls })
}

function isUnsafe (route: RouteOptions): boolean {
  return [route.method].flat().some((method) => !SAFE_METHODS.has(method))
}

function addTags (this: FastifyReply, ...tags: string[]): FastifyReply {
  if (!isTagList(tags)) throw new InvalidTargetError('tags', 'reply.cacheTags()', expectedGot('texts of at least one character', tags));
  (this.request[kTags] ??= []).push(...tags)
  return this
}

function addTargets (this: FastifyReply, targets: InvalidationTargets): FastifyReply {
  labelsOf(targets, 'reply.cacheInvalidate()') // says what is wrong where it is
  const { config, method, url } = this.request.routeOptions
  const exchange = this.request[kExchange]
  const isCached = exchange !== undefined && !(exchange.outcome === 'bypass' && (exchange.reason === 'method' || exchange.reason === 'disabled'))
  if (!(kInvalidates in config) || isCached) {
    throw new InvalidTargetError('targets', `reply.cacheInvalidate() of ${[method].flat().join(',')} ${url}`, 'expected a route of an unsafe method, or one with config.cache.invalidates, that is not cached; call fastify.cache.invalidate() instead')
  }
  this.request[kTargets] ??= []
  this.request[kTargets].push(targets)
  return this
}

/** Waits for what runs in the background; not for a handler that hangs. */
async function endBehind ({ behind }: Sharing): Promise<void> {
  await inTime(CLOSE_MS, Promise.all(behind), { idle: true }).catch(() => {})
}

function routeHooks (policy: RoutePolicy, route: RouteOptions, attaching: Attaching & { audit: RouteAudit | undefined, counted: string }): RouteHooks {
  const { settings, engine, shared, book, repeater } = attaching
  const { debugHeaders, enabled, limits, logger, name, prefix, targetedFields, userOf } = settings
  if (typeof policy.tags !== 'function') checkTagLimits(policy.tags, limits, `config.cache of ${policy.route}`)
  const writes = isUnsafe(route) ? writeHooks(route, undefined, attaching) : undefined
  const admission = new RouteAdmission(policy, { anyUserOf: userOf, constraints: route.constraints ?? {}, keyLength: limits.keyLength })
  const warnings = new RouteWarnings({ logger, route: policy.route })
  const counters = book.countersOf({ route: attaching.counted, namespace: policy.namespace })
  const observer = new RouteObserver(counters, attaching.ownLogger)
  const { random } = shared
  const lifetimes = new Lifetimes({ policy, cache: engine, targetedFields, random, book })
  const recorder = new ResponseRecorder({ policy, cache: engine, lifetimes, targetedFields, admission, shared, counters, warnings, audit: attaching.audit })
  const collapsing = new Collapsing({ policy, cache: engine, shared })
  const background = new Background({ route: policy.route, collapsing, repeater, shared, counters, logger })
  const announcer = new Announcer({ name, debug: debugHeaders ? { prefix } : undefined })
  const sender = new HitSender(announcer)
  const finisher = new MissFinisher({ cache: engine, announcer, recorder, observer })
  return new RouteHooks({ policy, cache: engine, admission, collapsing, background, announcer, sender, finisher, writes, enabled, targetedFields, warnings, observer, shared })
}

/** Not loaded where nobody asks for it: it is for development. */
async function loadAudit (mode: AuditMode, logger: Logger): Promise<NonNullable<Attaching['auditOf']>> {
  const { RouteAudit } = await import('./audit/route-audit.ts')
  return (policy) => new RouteAudit({ mode, policy, originDecides: policy.isHttp, logger })
}

/** All hooks of the route are known now: which of them a hit skips, and which may change what it sends. */
function settle ({ instance, options, policy, hooks }: AttachedRoute): void {
  const otherOnSends = [options.onSend ?? []].flat().length - 1
  hooks.settle(otherOnSends > 0 || hooksOf(instance, ['onSend'])?.length !== 0)
  if (policy.hook === 'preHandler' || policy.unguarded) return
  const own = GUARD_HOOKS.filter((name) => [options[name] ?? []].flat().length > 0)
  const skipped = own.length > 0 ? own : hooksOf(instance, GUARD_HOOKS) ?? ['hooks of the app that cannot be seen']
  if (skipped.length > 0) throw new UnguardedError(policy.route, skipped.join(', '))
}

/** An `onRoute` hook of a scope, or one that was added after the plugin, came after ours. */
function refuseUnattached ({ config, method, url }: RouteOptions): void {
  if (asksForCache(config)) throw new NotAttachedError(`${[method].flat().join(',')} ${url}`)
}

function asksForCache (config: RouteOptions['config'] & { [kAttached]?: true } = {}): boolean {
  return config.cache !== undefined && config.cache !== false && config[kAttached] !== true
}

/** Routes that existed before the plugin have no hooks; whether one of them asked for the cache shows when it is requested. */
function refuseUnattachedRoutes (app: FastifyInstance): void {
  app.addHook('onRequest', (request: FastifyRequest, reply, done) => {
    const { config, method, url } = request.routeOptions
    if (!asksForCache(config)) return done()
    done(new NotAttachedError(`${[method].flat().join(',')} ${url}`))
  })
}

function hasRoutes (app: FastifyInstance): boolean {
  return app.printRoutes() !== '(empty tree)'
}

/** The Fastify plugin. */
export const responseCache = fp(responseCachePlugin, { fastify: '5.x', name: 'fastify-response-cache' })
