import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import type { EventListener, EventMessage, Following } from '../../lib/events/event-log.ts'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { openRedis } from '../../lib/store/redis-connection.ts'
import { RedisEvents } from '../../lib/store/redis-events.ts'
import type { RedisOption } from '../../lib/store/redis-client.ts'

/** Waits until something is so. */
export async function until (what: string, isSo: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; !await isSo();) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await wait(5)
  }
}

export interface Follower {
  readonly events: RedisEvents
  readonly following: Following
  /** The texts of all messages in their order, and `gap`. */
  readonly heard: Array<string | undefined>
  /** What was told about the connection. */
  readonly states: string[]
  /** Used for the next messages or gap in place of accepting them. */
  refuse: ((messages: readonly EventMessage[]) => Promise<void>) | undefined
}

export interface FollowerOptions {
  readonly redis: RedisOption
  readonly prefix: string
  readonly most?: number
}

/** Follows events over connections of its own; ends with `t`. */
export async function startFollower (t: Test, { redis, ...options }: FollowerOptions): Promise<Follower> {
  const open = await openRedis(redis, { onFault () {}, onReady () {} })
  const events = new RedisEvents({ open: () => open.client as ConnectedRedis, ...options })
  const heard: Follower['heard'] = []
  const states: string[] = []
  const listener: EventListener = {
    onMessages: async (messages) => {
      await one.refuse?.(messages)
      heard.push(...messages.map(({ json }) => json))
    },
    onGap: async () => {
      await one.refuse?.([])
      heard.push('gap')
    },
    onLost: () => { states.push('lost') },
    onFollowing: () => { states.push('following') }
  }
  const one: Follower = { events, following: events.follow(listener), heard, states, refuse: undefined }
  t.teardown(async () => {
    await one.following.close()
    await open.close()
  })
  return one
}
