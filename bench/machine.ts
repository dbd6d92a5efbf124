import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, cpus, release, totalmem, type } from 'node:os'
import type { Cores } from './cores.ts'

export interface MachineFacts {
  cores: Cores | undefined
  load: string
  redis: string | undefined
}

/** What a reader needs to know to judge the figures: label and value, in order. */
export function describeMachine ({ cores, load, redis }: MachineFacts): Array<[string, string]> {
  const processors = cpus()
  return [
    ['Date', new Date().toISOString().slice(0, 10)],
    ['CPU', `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} cores`],
    ['Memory', `${Math.round(totalmem() / 2 ** 30)} GB`],
    ['System', `${type()} ${release()} ${arch()}`],
    ['Node', process.version],
    ['Redis', redis ?? 'none'],
    ['Load', load],
    ['Cores', cores === undefined ? 'not bound (no taskset, or a single core)' : `servers on core ${cores.server}; load and Redis on core ${cores.load}`],
    ['Packages', packages().join(', ')]
  ]
}

function packages (): string[] {
  const own = ['fastify', 'fastify-lcache', 'apicache', 'express', 'bentocache', 'async-cache-dedupe'].map((name) => versioned(name, import.meta.url))
  return [...own, versioned('redis', new URL('../package.json', import.meta.url).href)]
}

function versioned (name: string, from: string): string {
  const candidates = createRequire(from).resolve.paths(name) ?? []
  for (const folder of candidates) {
    try {
      const { version } = JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')) as { version: string }
      return `${name} ${version}`
    } catch {
      continue // not in this node_modules, perhaps in the next one up
    }
  }
  throw new Error(`${name} is not installed`)
}
