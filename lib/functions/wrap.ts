import { UnkeyableError } from '../cache-key.ts'
import { expectedGot, InvalidOptionError, OptionConflictError } from '../errors.ts'
import { checkOptions, either, func, isTagList, NAMESPACE, tagList, type Rule } from '../options/check.ts'
import { ownTtl, type Lifetime } from '../options/ttl.ts'
import { argumentsText, ownArguments, ownKeyText } from './arguments-key.ts'

/** The part of the client that a wrapped function stands on. */
export interface GetOrSet {
  getOrSet<T> (key: string, produce: () => T | Promise<T>, options: GetOrSetCallOptions<T>): Promise<T>
}

interface GetOrSetCallOptions<T> {
  ttl?: Lifetime
  tags?: readonly string[] | ((value: T) => readonly string[])
}

/** Options of `wrap`. */
export interface WrapOptions<Args extends unknown[], R, This = unknown> {
  /**
   * What the keys begin with, such as `user` or `user:profile`; one function of a cache has it. Its part before the first `:` is the
   * namespace. Required: two functions may have the same name in code.
   */
  name: string

  /** How long a result is kept: seconds, `'5m'` or a name from `ttls`. Default: the ttl of the namespace, or of `defaults`. */
  ttl?: Lifetime

  /** What an invalidation by tag finds the result by: a list, or a function of the result and the arguments. Default: none. */
  tags?: readonly string[] | ((this: This, result: Stored<R>, ...args: Args) => readonly string[])

  /**
   * What tells one call from another: calls with the same text share a result, whatever else differs. Needed for arguments that no
   * key can be made of, such as instances of classes. Default: all arguments.
   */
  key?: (this: This, ...args: Args) => string
}

/** What a call gives, but for `undefined`, which is never stored. */
type Stored<R> = Exclude<Awaited<R>, undefined>

/** The cached version of a function. Results are copies. */
export interface WrappedFunction<Args extends unknown[], R, This = unknown> {
  (this: This, ...args: Args): Promise<Awaited<R>>

  /**
   * The key of a call with these arguments, for `cache.invalidateKey`. If an own `key` reads `this`, it has to be given:
   * `wrapped.keyOf.call(self, …)`. Errors: those of a call that no key can be made of.
   */
  keyOf (this: This, ...args: Args): string
}

/** As they are, but not to be inferred from here: the function alone says what its arguments are. */
export type Settled<Args extends unknown[]> = Args extends infer Same extends unknown[] ? Same : never

type AnyOptions = WrapOptions<never[], never, never>
type Named = Pick<AnyOptions, 'name'> & { key?: unknown }

const LONGEST_NAME = 128
const RESERVED = /^[\w.-]+:(?:GET|POST|QUERY)(?::|$)/

const nameRule: Rule = {
  expected: `a name such as 'user' or 'user:profile' (letters, digits, "_", "." and "-" in parts between colons, up to ${LONGEST_NAME} characters; the first part up to 64, the second not GET, POST or QUERY)`,
  accepts: (value) => typeof value === 'string' && value.length <= LONGEST_NAME && /^[\w.-]+(?::[\w.-]+)*$/.test(value) &&
    NAMESPACE.test(value.split(':', 1)[0]!) && !RESERVED.test(value)
}

// Which names there are is known to the cache, which reads the ttl.
const anything: Rule = { expected: '', accepts: () => true }

/** Throws unless these are options of `wrap`, or those that `more` has rules for. */
export function checkWrapOptions (given: unknown, where: string, more: Readonly<Record<string, Rule>> = {}): void {
  checkOptions<AnyOptions>(given, { ...more, name: nameRule, ttl: anything, tags: either(tagList, func), key: func }, where)
  if (given.name === undefined) throw new InvalidOptionError('name', where, expectedGot(nameRule.expected, undefined))
}

/** A version of `fn` that gives stored results. Errors: `RESPONSE_CACHE_ERR_OPTION_*`. */
export function wrapFunction<This, Args extends unknown[], R> (
  cache: GetOrSet,
  fn: (this: This, ...args: Args) => R,
  options: WrapOptions<Settled<Args>, NoInfer<R>, NoInfer<This>>
): WrappedFunction<Args, R, This> {
  if (typeof fn !== 'function') throw new InvalidOptionError('fn', 'wrap()', expectedGot('a function', fn))
  checkWrapOptions(options, 'the options of wrap()')
  // What the caller does to its options later changes nothing.
  const { name, ttl: givenTtl, key, tags: given } = options as WrapOptions<Args, R, This>
  // What is no object is read by the cache, which says what is wrong with it.
  const ttl = typeof givenTtl === 'object' ? ownTtl(givenTtl) as Lifetime : givenTtl
  const tags = typeof given === 'function' ? given : given && [...given]
  const where = `the options of wrap() for "${name}"`

  function keyFor (self: This, args: Args): string {
    return `${name}:${key === undefined ? argumentsText(args) : ownKey(key.apply(self, args), where)}`
  }

  async function wrapped (this: This, ...passed: Args): Promise<Awaited<R>> {
    const args = key === undefined ? own(passed, where) : passed
    const tagsOf = typeof tags === 'function' ? (result: Awaited<R>) => checkedTags(tags.call(this, result as Stored<R>, ...args), where) : tags
    const produce = () => fn.apply(this, args) as Awaited<R> | Promise<Awaited<R>>
    return await cache.getOrSet(keyFor(this, args), produce, { ttl, tags: tagsOf })
  }

  function keyOf (this: This, ...args: Args): string {
    return keyFor(this, key === undefined ? own(args, where) : args)
  }

  return Object.assign(wrapped, { keyOf })
}

function own<Args extends unknown[]> (args: Args, where: string): Args {
  try {
    return ownArguments(args)
  } catch (fault) {
    if (!(fault instanceof UnkeyableError)) throw fault
    throw new InvalidOptionError('key', where, `there is none, and no key can be made of the arguments: ${fault.message}; give a key: (...args) => string that tells the calls apart`)
  }
}

function ownKey (text: unknown, where: string): string {
  if (typeof text !== 'string' || text === '') throw new InvalidOptionError('key', where, expectedGot('a function that gives a text of at least one character', text))
  return ownKeyText(text)
}

/** A function that forgets to return its tags would store what no invalidation finds. */
function checkedTags (tags: unknown, where: string): readonly string[] {
  if (!isTagList(tags)) throw new InvalidOptionError('tags', where, expectedGot('a function that gives a list of tags, texts of at least one character', tags))
  return tags
}

/** The names of the wrapped functions of one cache. */
export class FunctionNames {
  /** By name, whether the function has a key of its own. */
  readonly #taken = new Map<string, boolean>()

  /** Throws where calls of two functions could have the same key. */
  take ({ name, key }: Named): void {
    const hasOwnKey = key !== undefined
    const other = [...this.#taken].find(([taken, takenHasOwnKey]) =>
      taken === name || (takenHasOwnKey && name.startsWith(`${taken}:`)) || (hasOwnKey && taken.startsWith(`${name}:`)))
    if (other !== undefined) {
      throw new OptionConflictError(`the options of wrap() for "${name}"`, other[0] === name
        ? 'a function of this name is wrapped already, and both would share their results. Wrap a function once, not in each request, and give every function a name of its own.'
        : `the keys of "${other[0]}", which is wrapped already, may be the same, because one name continues the other and the shorter one has an own "key". Choose another name.`)
    }
    this.#taken.set(name, hasOwnKey)
  }
}
