import { queryObjects, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** A class whose instances are asked for. Those of Node itself are got from one of them. */
type Class = new (...args: never[]) => object

const TIMER = setTimeout(() => {}, 0).constructor as Class

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/**
 * How many instances of a class are not garbage. Counts also what keeps no process alive, and what nobody can ask for. It goes through the
 * memory several times: where it is asked again and again, `usersAlive` is ten times faster.
 */
export function alive (type: Class): number {
  return queryObjects(type, { format: 'count' })
}

/** Timers that have not fired and were not cleared, or that somebody remembers. */
export function timersAlive (): number {
  return alive(TIMER)
}

/** From now on counts those on which this method was called and which are not garbage. */
export function usersAlive<Method extends string> (type: { prototype: Record<Method, (...args: never[]) => unknown> }, method: Method): () => number {
  const users = new Set<WeakRef<object>>()
  const known = new WeakSet<object>()
  const { prototype } = type
  const original: (...args: never[]) => unknown = prototype[method]
  prototype[method] = function (this: object, ...args: never[]): unknown {
    if (!known.has(this)) users.add(new WeakRef(this))
    known.add(this)
    return Reflect.apply(original, this, args)
  }
  return () => {
    collectGarbage()
    for (const user of users) {
      if (user.deref() === undefined) users.delete(user)
    }
    return users.size
  }
}
