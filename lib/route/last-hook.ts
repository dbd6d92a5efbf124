import type { RouteOptions } from 'fastify'

type HookName = 'onRequest' | 'preHandler' | 'onSend'
type Hook = (...args: never[]) => unknown

/**
 * Puts a hook on a route so that it stays the last of its kind, also behind those that `onRoute` hooks of other plugins add
 * later: in front of them, a hit would skip a guard, and what they say of a response would come after it was stored. Fastify
 * reads the list when everything is registered.
 */
export function keepLast (route: RouteOptions, name: HookName, hook: Hook): void {
  let list = listOf(route[name])
  Object.defineProperty(route, name, {
    configurable: true,
    enumerable: true,
    get () {
      const others = list.filter((other) => other !== hook)
      // The same array each time: others push into it.
      list.splice(0, list.length, ...others, hook)
      return list
    },
    set (hooks: Hook | Hook[] | undefined) {
      list = listOf(hooks)
    }
  })
}

function listOf (hooks: unknown): Hook[] {
  return [hooks ?? []].flat() as Hook[]
}
