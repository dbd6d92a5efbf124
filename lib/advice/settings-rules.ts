import type { CacheSettings } from '../options/resolve.ts'
import { note, risk, type Advice } from './advice.ts'
import type { ProcessFacts } from './process-facts.ts'

/** The settings of the client, and of the plugin where there is one. */
export type AdvisedSettings = Pick<CacheSettings, 'clock' | 'defaults' | 'enabled' | 'memory' | 'namespaces' | 'readMs' | 'redis' | 'store' | 'ttls'> & {
  readonly debugHeaders?: boolean
  readonly audit?: 'warn' | 'refuse' | undefined
}

/** Memory in front of Redis, or alone, that may take more than this part of what there is leaves too little for the app. */
const LARGE_SHARE = 1 / 2
const MIB = 1024 * 1024

export function settingsAdvice (settings: AdvisedSettings, process: ProcessFacts): Advice[] {
  return [largeMemory(settings, process), memoryAlone(settings, process), debugHeaders(settings, process), audit(settings, process)].filter((advice) => advice !== undefined)
}

function largeMemory ({ memory }: AdvisedSettings, { heapLimit, memoryLimit }: ProcessFacts): Advice | undefined {
  if (memory === undefined) return undefined
  const bounds = [['the heap limit', heapLimit], ['the memory that the system gives to this process', memoryLimit]] as const
  const exceeded = bounds.find(([, bytes]) => bytes !== undefined && memory.maxBytes > bytes * LARGE_SHARE)
  if (exceeded === undefined) return undefined
  const [name, bytes] = exceeded
  return risk('large-memory', `memory.maxBytes (${inMib(memory.maxBytes)}) is more than half of ${name} (${inMib(bytes!)}): the process may run out of memory before that is reached. Lower it, or raise the limit.`)
}

function inMib (bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}

function memoryAlone ({ redis, store }: AdvisedSettings, { isWorker }: ProcessFacts): Advice | undefined {
  if (!isWorker || redis !== undefined || store !== undefined) return undefined
  return risk('memory-alone', 'This process is one of several of a node:cluster, and its cache is in its own memory: what one process invalidates the others still serve. Pass redis, with memory in front of it if you like.')
}

function debugHeaders ({ debugHeaders: isOn }: AdvisedSettings, { isProduction }: ProcessFacts): Advice | undefined {
  if (isOn !== true || !isProduction) return undefined
  return risk('debug-headers', 'debugHeaders is on in production: every client is told the keys of what it gets, and so what they are made of. Leave it out.')
}

function audit ({ audit: mode }: AdvisedSettings, { isProduction }: ProcessFacts): Advice | undefined {
  if (mode === undefined || !isProduction) return undefined
  return note('audit-in-production', 'audit is on in production: it records what handlers read in each request that is not a hit. It is for development and tests.')
}
