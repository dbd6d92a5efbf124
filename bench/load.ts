import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bound } from './cores.ts'

/** What one run of the load generator counted. */
export interface LoadResult {
  requests: number
  seconds: number
  failures: number
  p50Ms: number
  p99Ms: number
}

export interface Load {
  /** Name, version and settings, for the report. */
  description: string
  run: (url: string, options: { seconds: number, headers?: Record<string, string> | undefined }) => Promise<LoadResult>
}

const execute = promisify(execFile)
const connections = 50
const pipelining = 10
const headers = { accept: 'application/json', 'accept-encoding': 'gzip, br', 'user-agent': 'bench' }

/** wrk where it is installed: autocannon needs more of its core for a request than some of the servers do. */
export function pickLoad (core: number | undefined, wanted?: string): Load {
  const version = wrkVersion()
  if (wanted === 'autocannon' || (wanted === undefined && version === undefined)) return autocannon(core)
  if (version === undefined) throw new Error('wrk is not installed, or not on the PATH')
  return wrk(core, version)
}

function wrk (core: number | undefined, version: string): Load {
  const script = fileURLToPath(new URL('load/wrk.lua', import.meta.url))
  return {
    description: `wrk ${version}, 1 thread, ${connections} connections`,
    run: async (url, { seconds, headers: more }) => {
      const headerArgs = Object.entries({ ...headers, ...more }).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
      const args = ['-t1', `-c${connections}`, `-d${Math.ceil(seconds)}s`, '-s', script, ...headerArgs, url]
      return await runForJson(bound(core, 'wrk', args))
    }
  }
}

function autocannon (core: number | undefined): Load {
  const script = fileURLToPath(new URL('load/autocannon.js', import.meta.url))
  const manifest = new URL('node_modules/autocannon/package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  return {
    description: `autocannon ${version}, ${connections} connections, ${pipelining} pipelined requests each`,
    run: async (url, { seconds, headers: more }) => {
      const settings = JSON.stringify({ url, connections, pipelining, seconds, headers: { ...headers, ...more } })
      return await runForJson(bound(core, process.execPath, [script, settings]))
    }
  }
}

async function runForJson ([command, args]: [string, string[]]): Promise<LoadResult> {
  const { stdout } = await execute(command, args)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as LoadResult
}

function wrkVersion (): string | undefined {
  return /^wrk (?:debian\/)?([\d.]+)/.exec(spawnSync('wrk', ['-v'], { encoding: 'utf8' }).stdout ?? '')?.[1]
}
