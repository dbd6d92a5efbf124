import type { FastifyInstance, InjectOptions } from 'fastify'
import type { Database } from './database.ts'
import { observed } from './observed.ts'
import { oneOf } from './random.ts'
import { hasPattern, keyOf, kindOf, namespaceOf, pathOf, patternOf, tagsOf, urlOf, userOf } from './things.ts'

/** Raises the version of a thing and invalidates it; gives the version once that is acknowledged, and undefined when it was refused. */
export type Form = (thing: number) => Promise<number | undefined>

export const FORMS = [
  'tag', 'tag of the handler', 'soft', 'URL', 'URL with query', 'user', 'key', 'several', 'pattern', 'namespace', 'all',
  'invalidates of a route', 'reply.cacheInvalidate', 'PUT of the same URL', 'set', 'setMany', 'delete',
  'key of a value', 'tag of a value', 'pattern of values', 'namespace of values', 'set over produced'
] as const

/** The ways to invalidate a thing. `weight` says how often one is taken. */
interface WeightedForm {
  readonly name: typeof FORMS[number]
  readonly weight: number
  readonly form: Form
  readonly fits?: (thing: number) => boolean
}

export function formsFor (app: FastifyInstance, database: Database): (thing: number) => Pick<WeightedForm, 'name' | 'form'> {
  const forms = { response: responseForms(app, database), value: valueForms(app, database), produced: producedForms(app, database) }
  return (thing) => {
    const fitting = forms[kindOf(thing)].filter(({ fits }) => fits === undefined || fits(thing))
    return oneOf(fitting.flatMap((one) => Array<WeightedForm>(one.weight).fill(one)))
  }
}

function marking (database: Database, invalidate: (thing: number) => Promise<unknown>): Form {
  return async (thing) => {
    const version = await database.raise(thing)
    await invalidate(thing)
    return version
  }
}

function responseForms (app: FastifyInstance, database: Database): WeightedForm[] {
  const { cache } = app
  const keys = new Map<number, string>()
  return [
    { name: 'tag', weight: 20, form: marking(database, (thing) => cache.invalidateTags(tagsOf(thing).early)) },
    { name: 'tag of the handler', weight: 20, form: marking(database, (thing) => cache.invalidateTags(tagsOf(thing).late)) },
    { name: 'soft', weight: 8, form: marking(database, (thing) => cache.invalidateTags(tagsOf(thing).late, { soft: true })) },
    { name: 'URL', weight: 10, form: marking(database, (thing) => cache.invalidateUrl(pathOf(thing))) },
    { name: 'URL with query', weight: 10, form: marking(database, (thing) => cache.invalidateUrl(urlOf(thing))) },
    { name: 'user', weight: 10, form: marking(database, (thing) => cache.invalidateUser(userOf(thing))) },
    { name: 'key', weight: 10, form: marking(database, async (thing) => cache.invalidateKey(await responseKey(app, thing, keys))) },
    { name: 'several', weight: 8, form: marking(database, (thing) => cache.invalidate({ tags: ['nothing', tagsOf(thing).late], urls: ['/nothing'], users: [0] })) },
    { name: 'pattern', weight: 10, form: marking(database, (thing) => cache.invalidatePattern(patternOf(thing))), fits: hasPattern },
    { name: 'namespace', weight: 1, form: marking(database, (thing) => cache.invalidateNamespace(namespaceOf(thing))), fits: hasPattern },
    { name: 'all', weight: 1, form: marking(database, () => cache.invalidateAll()), fits: (thing) => thing === 0 },
    { name: 'invalidates of a route', weight: 10, form: (thing) => sent(app, { method: 'PUT', url: `/invalidates/${thing}` }) },
    { name: 'reply.cacheInvalidate', weight: 10, form: (thing) => sent(app, { method: 'POST', url: `/reply/${thing}` }) },
    { name: 'PUT of the same URL', weight: 10, form: (thing) => sent(app, { method: 'PUT', url: pathOf(thing) }) }
  ]
}

function valueForms ({ cache }: FastifyInstance, database: Database): WeightedForm[] {
  return [
    { name: 'set', weight: 8, form: (thing) => setting(database, thing, (version) => cache.set(keyOf(thing), { version })) },
    { name: 'setMany', weight: 3, form: (thing) => setting(database, thing, async (version) => (await cache.setMany({ [keyOf(thing)]: { version } }))[0]!) },
    { name: 'delete', weight: 1, form: marking(database, (thing) => cache.delete(keyOf(thing))) }
  ]
}

function producedForms ({ cache }: FastifyInstance, database: Database): WeightedForm[] {
  return [
    { name: 'key of a value', weight: 10, form: marking(database, (thing) => cache.invalidateKey(keyOf(thing))) },
    { name: 'tag of a value', weight: 10, form: marking(database, (thing) => cache.invalidateTags(tagsOf(thing).late)) },
    { name: 'pattern of values', weight: 6, form: marking(database, (thing) => cache.invalidatePattern(patternOf(thing))), fits: hasPattern },
    { name: 'namespace of values', weight: 1, form: marking(database, (thing) => cache.invalidateNamespace(namespaceOf(thing))), fits: hasPattern },
    { name: 'set over produced', weight: 8, form: (thing) => setting(database, thing, (version) => cache.set(keyOf(thing), { version }, { tags: [tagsOf(thing).late] })) }
  ]
}

async function setting (database: Database, thing: number, set: (version: number) => Promise<boolean>): Promise<number | undefined> {
  const version = await database.raise(thing)
  return await set(version) ? version : undefined
}

async function sent (app: FastifyInstance, request: InjectOptions): Promise<number | undefined> {
  const { result, seen } = await observed(() => app.inject(request))
  if (result.statusCode !== 200) throw new Error(`${request.method as string} ${String(request.url)} answered ${result.statusCode}: ${result.body}`)
  return seen.failed ? undefined : result.json<{ version: number }>().version
}

/** What `X-Cache-Key` shows is the same in all processes. */
async function responseKey (app: FastifyInstance, thing: number, keys: Map<number, string>): Promise<string> {
  const known = keys.get(thing)
  if (known !== undefined) return known
  const response = await app.inject({ url: urlOf(thing), headers: { 'x-user': userOf(thing) } })
  const shown = response.headers['x-cache-key'] as string
  const key = shown.slice(shown.indexOf(`${namespaceOf(thing)}:GET:`))
  keys.set(thing, key)
  return key
}
