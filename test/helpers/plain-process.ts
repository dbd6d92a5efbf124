import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

/**
 * Starts a program as a terminal would. Tap puts its own loaders into every Node that a test starts, by NODE_OPTIONS;
 * they change how modules are loaded, and are taken out again here.
 */
export function spawnPlain (command: string, args: string[], options: SpawnOptions = {}): ChildProcess {
  return spawn('env', ['-u', 'NODE_OPTIONS', command, ...args], options)
}

/** Runs a program to its end. */
export async function runPlain (command: string, args: string[], options: SpawnOptions = {}) {
  const child = spawnPlain(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const [[code], stdout, stderr] = await Promise.all([once(child, 'exit'), text(child.stdout!), text(child.stderr!)])
  return { code: code as number | null, stdout, stderr }
}
