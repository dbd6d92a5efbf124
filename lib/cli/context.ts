import type { Command } from 'commander'
import { UsageError } from './exit.ts'
import type { Io } from './io.ts'
import type { Output } from './output.ts'
import type { Places } from './places.ts'
import { unlessAborted } from '../warming/warming.ts'
import { AdminSource } from './sources/admin-source.ts'
import { RedisSource } from './sources/redis-source.ts'
import type { AppSource, Source } from './sources/source.ts'

/** What a command has to do its work with. */
export interface Context {
  readonly io: Io
  readonly output: Output
  readonly places: Places
}

/** Runs what a command is to do. Gives back what the process ends with; nothing is 0. */
export type Perform = (command: Command, task: (context: Context) => Promise<number | void>) => Promise<void>

/** Adds a command to the program. */
export type Declare = (program: Command, perform: Perform) => void

const NO_PLACE = 'expected to be told where the cache is: --redis redis://HOST:6379 --prefix PREFIX, or --admin https://HOST/admin/cache, or REDIS_URL and CACHE_PREFIX, or CACHE_ADMIN_URL in the environment'

/** Opens what the options name, the admin routes before Redis, and closes it when the task is over, or not wanted any more. */
export async function withSource<T> ({ places: { admin, redis }, io: { signal } }: Context, task: (source: Source) => Promise<T>): Promise<T> {
  if (admin === undefined && redis === undefined) throw new UsageError(NO_PLACE)
  const source: Source = admin === undefined ? await RedisSource.open(redis!, signal) : new AdminSource(admin)
  try {
    return await unlessAborted(signal, task(source))
  } finally {
    await source[Symbol.asyncDispose]()
  }
}

/** The same for what ends by the signal only: that is no failure. */
export async function watchSource (context: Context, task: (source: Source) => Promise<void>): Promise<void> {
  try {
    await withSource(context, task)
  } catch (fault) {
    if (!context.io.signal.aborted) throw fault
  }
}

/** The same for what only the app itself can do. */
export async function withApp<T> ({ places: { admin }, io: { signal } }: Context, what: string, task: (app: AppSource) => Promise<T>): Promise<T> {
  if (admin === undefined) throw new UsageError(`${what} needs the app itself, which knows its routes: expected --admin https://HOST/admin/cache, or CACHE_ADMIN_URL in the environment. fastify-response-cache/admin has to be registered there`)
  return await unlessAborted(signal, task(new AdminSource(admin)))
}

export function assertPlace ({ admin, redis }: Places): void {
  if (admin === undefined && redis === undefined) throw new UsageError(NO_PLACE)
}
