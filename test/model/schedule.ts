import { readResponse, readValue } from './readers.ts'
import { trouble } from './troubles.ts'
import { World, type Counts, type Faults } from './world.ts'
import { write } from './writers.ts'

export interface Ran {
  readonly wrong: readonly string[]
  readonly counts: Counts
  readonly log: readonly string[]
}

/** Runs the schedule of this seed from its beginning to its end. */
export async function runSchedule (seed: number, { faults, isLogged = false }: { faults: Faults, isLogged?: boolean }): Promise<Ran> {
  const world = new World(seed, { faults, isLogged })
  let left = 0
  const begin = (owner: number | 'world', run: () => Promise<void>): void => {
    left++
    world.time.plan(world.someTime(), owner, () => {
      run().catch((fault: unknown) => { world.wrong.push(String((fault as Error).stack)) }).finally(() => { left-- })
    })
  }
  for (const { owner } of world.lives) {
    for (let actors = world.integer(1, 3); actors > 0; actors--) begin(owner, () => act(world, owner))
  }
  begin('world', () => trouble(world))
  await world.time.run()
  if (left > 0) world.wrong.push(`${left} of those who read and write wait for ever`)
  return { wrong: world.wrong, counts: world.counts, log: world.log ?? [] }
}

/** Reads, mostly several times in a row, and writes. */
async function act (world: World, owner: number): Promise<void> {
  for (let step = world.integer(3, 9); step > 0; step--) {
    await world.time.sleep(world.someTime(), owner)
    if (world.chance(0.25)) {
      await write(world, world.lives[owner]!)
      continue
    }
    const read = world.chance(0.55) ? readResponse : readValue
    for (let reads = world.integer(1, 4); reads > 0; reads--) await read(world, world.lives[owner]!)
  }
}
