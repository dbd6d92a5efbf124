import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The two cores of a run: the servers share one, the load (and Redis, for both sides alike) has the other. */
export interface Cores {
  server: number
  load: number
}

/** Two cores this process may use, not two threads of one core where there is a choice; undefined where processes cannot be bound. */
export function pickCores (): Cores | undefined {
  if (spawnSync('taskset', ['--version']).status !== 0) return undefined
  const allowed = parseList(/^Cpus_allowed_list:\s*(.+)$/m.exec(read('/proc/self/status'))?.[1] ?? '')
  const [server, ...others] = allowed
  if (server === undefined) return undefined
  const siblings = parseList(read(`/sys/devices/system/cpu/cpu${server}/topology/thread_siblings_list`))
  const load = others.find((core) => !siblings.includes(core)) ?? others[0]
  return load === undefined ? undefined : { server, load }
}

/** A command line bound to a core, or the same command line. */
export function bound (core: number | undefined, command: string, args: string[]): [string, string[]] {
  return core === undefined ? [command, args] : ['taskset', ['-c', String(core), command, ...args]]
}

function read (file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // not Linux, or no such core: nothing is known about it
  }
}

function parseList (list: string): number[] {
  return list.trim().split(',').filter(Boolean).flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}
