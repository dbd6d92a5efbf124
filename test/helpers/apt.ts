import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { findOnPath } from './find-on-path.ts'

const run = promisify(execFile)

// Debian starts a service when its package is installed, unless this file says no. The tests want the program only.
const serviceSwitch = '/usr/sbin/policy-rc.d'

/**
 * Installs the first of these packages that Debian has, on machines where this process may do so.
 * Returns what came of it, for people.
 */
export async function installWithApt (packages: string[]): Promise<string> {
  if (findOnPath(['apt-get']) === undefined) return 'no apt-get here'
  if (process.getuid?.() !== 0) return 'apt-get is here, but this process does not run as root'

  console.error(`No Redis and no Docker here: installing ${packages[0]} with apt-get for the tests`)
  const update = await aptGet('update')
  if (update !== undefined) return update

  const problems: string[] = []
  for (const name of packages) {
    const problem = await withoutServices(() => aptGet('install', '--yes', '--no-install-recommends', name))
    if (problem === undefined) return `${name} is installed`
    problems.push(problem)
  }
  return problems.join('; ')
}

async function withoutServices<T> (work: () => Promise<T>): Promise<T> {
  if (existsSync(serviceSwitch)) return await work()

  await writeFile(serviceSwitch, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return await work()
  } finally {
    await rm(serviceSwitch, { force: true })
  }
}

/** Returns what went wrong, if something did. */
async function aptGet (...args: string[]): Promise<string | undefined> {
  const options = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=2', '-o', 'Acquire::http::Timeout=30']
  try {
    await run('apt-get', [...options, ...args], {
      timeout: 300_000,
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    })
    return undefined
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: string }
    return `apt-get ${args.join(' ')} failed: ${(stderr?.trim() || message).split('\n').slice(-3).join(' ')}`
  }
}
