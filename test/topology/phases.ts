import type { CacheOptions } from '../../lib/index.ts'
import type { Ending } from '../helpers/redis-cluster.ts'
import { Scene, p99, type Counts } from './scene.ts'
import type { Scenario } from './scenarios.ts'

/** What a scenario did to those who asked. Times in milliseconds. */
export interface Outcome {
  readonly name: string
  /** Before, while the fleet was not whole, and after. */
  readonly counts: Readonly<Record<'before' | 'during' | 'after', Counts>>
  readonly faultMs: number
  readonly backToNormalMs: number
  /** All is normal again, however long that took. */
  readonly isBack: boolean
  /** How long it takes to see that all is normal, when it is: longer where the machine does something else as well. */
  readonly noticedMs: number
  readonly unhandled: readonly unknown[]
  readonly p99DuringMs: number
  readonly p99UncachedMs: number
}

export interface PlayOptions {
  /** Settles when there was enough load before, and after. */
  readonly enough: (scene: Scene) => Promise<void>
  /** Default: those of the cache. */
  readonly timeouts?: CacheOptions['timeouts']
}

/** Load before, during and after what happens to the fleet. */
export async function play (t: Ending, scenario: Scenario, { enough, timeouts = {} }: PlayOptions): Promise<Outcome> {
  const { redis, prefix, happen } = await scenario.start(t)
  const scene = await Scene.open(t, { redis, timeouts, ...(prefix === undefined ? {} : { prefix }) })
  scene.takeCounts()
  scene.startLoad()
  await enough(scene)
  const { ms: noticedMs } = await scene.untilNormal()
  const before = scene.takeCounts()
  const beganAt = performance.now()
  await happen(scene)
  const faultMs = performance.now() - beganAt
  const { ms: backToNormalMs, isNormal: isBack } = await scene.untilNormal()
  const during = scene.takeCounts()
  await enough(scene)
  await scene.stopLoad()
  const counts = { before, during, after: scene.takeCounts() }
  return { name: scenario.name, counts, faultMs, backToNormalMs, isBack, noticedMs, unhandled: scene.unhandled, p99DuringMs: p99(during.latencies), p99UncachedMs: p99(during.uncachedLatencies) }
}
