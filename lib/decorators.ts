import type { Cache } from './client/cache.ts'
import { expectedGot, InvalidOptionError, OptionConflictError } from './errors.ts'
import { checkWrapOptions, type Settled, type WrapOptions } from './functions/wrap.ts'
import { labelsOf, type InvalidationTargets } from './marks/targets.ts'
import { checkOptions, func } from './options/check.ts'

/** The part of `app.cache` that decorated methods use. */
export type MethodCache = Pick<Cache, 'wrap' | 'invalidate'>

interface CacheOption<This> {
  /** Where the cache is. Default: `this.cache`; of a static method, the static `cache`. */
  cache?: (self: This) => MethodCache
}

/** Options of `@cached()`: those of `cache.wrap`, and where the cache is. */
export interface CachedOptions<This, Args extends unknown[], R> extends WrapOptions<Args, R, This>, CacheOption<This> {}

/** Options of `@invalidates()`. */
export interface InvalidatesOptions<This> extends CacheOption<This> {}

/** What a call invalidates, or a function of its result and arguments that says so. */
export type MethodTargets<This, Args extends unknown[], R> =
  InvalidationTargets | ((this: This, result: R, ...args: Args) => InvalidationTargets | Promise<InvalidationTargets>)

type Method<This, Args extends unknown[], R> = (this: This, ...args: Args) => Promise<R>

/** A standard decorator of a method that gives a promise. */
type MethodDecorator<This, Args extends unknown[], R> =
  (method: Method<This, Args, R>, context: ClassMethodDecoratorContext<This, Method<This, Args, R>>) => Method<This, Args, R>

/**
 * Caches the results of a public method, instance or static, as `cache.wrap` does: same options, same promises. The key is made of
 * the arguments, not of `this`: **all instances with one cache share results**. What instances differ in and the method reads,
 * such as a tenant or a user, belongs into an own `key`, which is called with their `this`.
 *
 * For standard decorators, without `experimentalDecorators`. Errors: `RESPONSE_CACHE_ERR_OPTION_*` when the class is defined; and from
 * the first call, where there is no cache, or another function of the cache has the name.
 */
export function cached<This, Args extends unknown[], R> (
  options: CachedOptions<NoInfer<This>, Settled<Args>, NoInfer<R>>
): MethodDecorator<This, Args, R> {
  return (method, context) => {
    const where = `@cached() of ${checkedName(context, '@cached()')}`
    checkWrapOptions(options, where, { cache: func })
    const { cache: place, ...wrapOptions } = options
    const versions = new WeakMap<MethodCache, Method<This, Args, R>>()
    return async function (this: This, ...args: Args): Promise<R> {
      const cache = cacheOf(this, place, where)
      let version = versions.get(cache)
      if (version === undefined) {
        version = cache.wrap(method, wrapOptions as WrapOptions<Settled<Args>, Promise<R>, This>) as Method<This, Args, R>
        versions.set(cache, version)
      }
      return await version.apply(this, args)
    }
  }
}

/**
 * Invalidates after a public method, instance or static, has done its work, and before its promise resolves: who awaits it sees the
 * change. When the method throws, nothing is invalidated.
 *
 * For standard decorators, without `experimentalDecorators`. Errors: `RESPONSE_CACHE_ERR_OPTION_*` and `RESPONSE_CACHE_ERR_TARGET_INVALID`
 * when the class is defined. A call rejects before the method runs where there is no cache; and after it has run, where its targets are
 * wrong, or with `RESPONSE_CACHE_ERR_STORE_UNAVAILABLE` where Redis did not confirm: the change has happened, and old results may remain.
 */
export function invalidates<This, Args extends unknown[], R> (
  targets: MethodTargets<NoInfer<This>, Settled<Args>, NoInfer<R>>,
  options: InvalidatesOptions<NoInfer<This>> = {}
): MethodDecorator<This, Args, R> {
  return (method, context) => {
    const where = `@invalidates() of ${checkedName(context, '@invalidates()')}`
    const said = targets as MethodTargets<This, Args, R>
    if (typeof said !== 'function') labelsOf(said, where)
    checkOptions<InvalidatesOptions<This>>(options, { cache: func }, where)
    return async function (this: This, ...args: Args): Promise<R> {
      const cache = cacheOf(this, options.cache, where)
      const result = await method.apply(this, args)
      await cache.invalidate(typeof said === 'function' ? await said.call(this, result, ...args) : said)
      return result
    }
  }
}

/** The name of what is decorated, if it is something that these decorators can replace. */
function checkedName (context: unknown, where: string): string {
  // With `experimentalDecorators` this is the name of the method, and a descriptor follows.
  if (typeof context !== 'object' || context === null || !('kind' in context)) {
    throw new OptionConflictError(where, 'expected a standard decorator call; remove "experimentalDecorators" from tsconfig.json, and write @ before a method.')
  }
  const { kind, name, private: isPrivate } = context as ClassMemberDecoratorContext
  if (kind !== 'method') throw new OptionConflictError(`${where} of ${String(name)}`, `expected a method, got a ${kind}.`)
  if (isPrivate) throw new OptionConflictError(`${where} of ${String(name)}`, 'expected a public method, got a private one; decorate the public method that calls it, or use cache.wrap().')
  return `${String(name)}()`
}

function cacheOf<This> (self: This, option: CacheOption<This>['cache'], where: string): MethodCache {
  const cache: unknown = option === undefined ? (self as { cache?: unknown } | undefined)?.cache : option(self)
  if (isCache(cache)) return cache
  throw new InvalidOptionError('cache', where, expectedGot(`app.cache or a cache of createCache() ${option === undefined ? 'in this.cache, or an option cache: (self) => … that says where it is' : 'from the function'}`, cache))
}

/** Other libraries call something a cache, too, and some have a `wrap`. */
function isCache (value: unknown): value is MethodCache {
  return typeof value === 'object' && value !== null && 'wrap' in value && typeof value.wrap === 'function' &&
    'invalidate' in value && typeof value.invalidate === 'function'
}
