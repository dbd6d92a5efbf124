import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import type { CacheTest, Found } from './count.ts'

export const suiteName = 'http-cache-tests@0.4.5'

const REQUEST_TIMEOUT_MS = 20_000
const loopback = new URL('loopback.mjs', import.meta.url)

interface Group { readonly name: string, readonly tests: Array<CacheTest & { dump?: boolean }> }

type Fetch = (url: string, init?: object) => Promise<unknown>

/** The suite's own client. It is made to run once in a process. */
interface Client {
  runTests (groups: Group[], fetch: Fetch, useBrowserCache: boolean, baseUrl: string): Promise<void>
  getResults (): Record<string, Found>
}

/** The folder of the suite: that in `HTTP_CACHE_TESTS`, or where it is installed at the first time, outside of the project: it is heavy. */
export function obtainSuite (): string {
  const given = process.env['HTTP_CACHE_TESTS']
  if (given !== undefined && given !== '') return given
  const scratch = join(tmpdir(), suiteName.replace('@', '-'))
  const folder = join(scratch, 'node_modules', 'http-cache-tests')
  mkdirSync(scratch, { recursive: true, mode: 0o700 })
  // Others may write to the folder for temporary files; theirs is not run.
  if (process.getuid !== undefined && lstatSync(scratch).uid !== process.getuid()) throw new Error(`${scratch} is not yours: remove it, or set HTTP_CACHE_TESTS`)
  if (!existsSync(join(folder, 'package.json'))) {
    console.log(`installing ${suiteName} into ${scratch}`)
    const npm = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', scratch, suiteName]
    const { status } = spawnSync('npm', npm, { stdio: 'inherit' })
    if (status !== 0) throw new Error(`npm install ${suiteName} failed`)
  }
  return folder
}

/** All tests that are for caches other than those in browsers. */
export async function readTests (suite: string): Promise<CacheTest[]> {
  return (await readGroups(suite)).flatMap(({ tests }) => tests)
}

async function readGroups (suite: string): Promise<Group[]> {
  const { default: groups }: { default: Group[] } = await load(suite, 'tests/index.mjs')
  const { default: surrogate }: { default: Group } = await load(suite, 'tests/surrogate-control.mjs')
  return [...groups, surrogate].map((group) => ({ ...group, tests: group.tests.filter((test) => test.browser_only !== true) }))
}

/** Runs tests against a cache in front of the suite's origin. `dump`: the test whose requests and responses are shown. */
export async function runTests (suite: string, baseUrl: string, { ids, dump }: { ids?: ReadonlySet<string>, dump?: string }): Promise<Map<string, Found>> {
  const groups = (await readGroups(suite)).map((group) => ({ ...group, tests: group.tests.filter(({ id }) => ids?.has(id) ?? true) }))
  for (const test of groups.flatMap(({ tests }) => tests)) test.dump = test.id === dump
  const client: Client = await load(suite, 'client/runner.mjs')
  const fetch: Fetch = createRequire(join(suite, 'cli.mjs'))('node-fetch')
  // The suite's client waits for ever.
  await client.runTests(groups, (url, init) => fetch(url, { ...init, timeout: REQUEST_TIMEOUT_MS }), false, baseUrl)
  return new Map(Object.entries(client.getResults()))
}

function load (suite: string, file: string) {
  return import(pathToFileURL(join(suite, file)).href)
}

export interface Origin {
  readonly url: string
  stop (): Promise<void>
}

/** The suite's own origin, on a free port of this machine alone. */
export async function startOrigin (suite: string, onLine: (line: string) => void): Promise<Origin> {
  const child = spawn(process.execPath, [`--import=${loopback.href}`, 'server/server.mjs'], {
    cwd: suite,
    env: { npm_config_protocol: 'http', npm_config_port: '0', npm_config_pidfile: '/dev/null' },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`The origin ended with ${code} before it listened`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const listening = /^Listening on (http:.*?)\/?$/.exec(line)
      if (listening === null) onLine(line)
      else resolve(listening[1]!)
    })
  })
  return { url, stop: () => stop(child) }
}

async function stop (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill()
  await exit
}
