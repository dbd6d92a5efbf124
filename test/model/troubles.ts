import { CLOCK, INCARNATION } from '../../lib/store/mark-script.ts'
import { PREFIX } from './simulated-process.ts'
import type { Snapshot } from './simulated-redis.ts'
import type { World } from './world.ts'

const MARKS = `${PREFIX}:marks`
const EPOCH = 1_700_000_000_000_000

type Trouble = (world: World) => void

const FEED: readonly Trouble[] = [breakFeed, breakFeed, silenceFeed, silenceFeed, slowFeed]
const OUTAGES: readonly Trouble[] = [...FEED, evictMarks, evictMarks, flushAll, restartEmpty, restartWhole, jumpBack, pause, pause, stall, restartProcess]
const LOSSES: readonly Trouble[] = [...OUTAGES, failOver, failOver, failOver, failOver, loadOldSnapshot, loadOldSnapshot]

const TROUBLES: Readonly<Record<World['faults'], readonly Trouble[]>> = { none: [], feed: FEED, outages: OUTAGES, losses: LOSSES }

/** Something goes wrong now and then. */
export async function trouble (world: World): Promise<void> {
  const troubles = TROUBLES[world.faults]
  if (troubles.length === 0) return
  for (let left = world.integer(1, 4); left > 0; left--) {
    await world.time.sleep(world.random() * 400_000, 'world')
    const one = world.pick(troubles)
    world.say('world', () => one.name)
    world.counts.faults++
    one(world)
  }
}

function breakFeed (world: World): void {
  world.pick(world.lives).feed.break({ noticedAfter: world.someTime(), backAfter: world.random() * 800_000 })
}

function silenceFeed (world: World): void {
  world.pick(world.lives).feed.silence(world.random() * 1_500_000, { subscribesAgain: world.chance(0.4) })
}

function slowFeed (world: World): void {
  world.pick(world.lives).feed.slow(world.random() * 300_000, world.random() * 600_000)
}

function evictMarks ({ server }: World): void {
  server.evict(MARKS)
}

function flushAll ({ server }: World): void {
  server.load()
}

function restartEmpty (world: World): void {
  world.server.load()
  outage(world)
}

function restartWhole (world: World): void {
  outage(world)
}

function jumpBack ({ server, random }: World): void {
  server.aheadMicros -= Math.floor(random() * 5_000_000)
}

function pause (world: World): void {
  const owner = world.integer(0, world.lives.length - 1)
  world.time.pause(owner, world.chance(0.5) ? world.random() * 60_000 : world.random() * 2_500_000)
}

/** Longer than a read may take. */
function stall (world: World): void {
  world.pick(world.lives).connection.stall(world.random() * 1_500_000)
}

function restartProcess (world: World): void {
  world.restartProcess(world.integer(0, world.lives.length - 1))
}

/** The last writes are lost. */
function failOver (world: World): void {
  const { snapshots } = world.server
  const lost = world.integer(1, Math.min(10, snapshots.length))
  lose(world, snapshots[snapshots.length - lost])
}

function loadOldSnapshot (world: World): void {
  lose(world, world.server.snapshots[0])
}

function lose (world: World, snapshot: Snapshot | undefined): void {
  if (snapshot === undefined) return
  const { server, lives, oracle, time } = world
  const incarnation = server.scoreOf(MARKS, INCARNATION)
  const clock = server.scoreOf(MARKS, CLOCK) ?? 0
  server.load(snapshot)
  if (world.chance(0.2)) jumpBack(world)
  const loaded = server.scoreOf(MARKS, INCARNATION)
  // Without marks in it everything is a miss; with those of another life nobody knows better.
  const isHealed = loaded !== undefined && loaded === incarnation
  const isBehind = server.timeMicros <= clock + 10_000_000
  oracle.lost({ at: time.now, from: snapshot.at - EPOCH, isHealed }, isBehind && server.aheadMicros < 0 ? lives : [])
  server.snapshots.length = 0
  outage(world)
}

/** All connections break, and come back. */
function outage (world: World): void {
  const { lives, time } = world
  const downFor = world.someTime()
  for (const life of lives) {
    life.connection.break()
    time.plan(downFor, 'world', () => { if (!life.isOver) life.connection.restore() })
    life.feed.break({ noticedAfter: world.random() * 5_000, backAfter: downFor + world.someTime() })
  }
}
