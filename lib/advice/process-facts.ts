import cluster from 'node:cluster'
import { getHeapStatistics } from 'node:v8'

/** What matters of the process that the cache runs in. */
export interface ProcessFacts {
  /** The bound of the JavaScript heap, in bytes. */
  readonly heapLimit: number
  /** How much memory the system gives to this process, in bytes, where it says so: the limit of a container. */
  readonly memoryLimit: number | undefined
  /** `NODE_ENV` is `production`. */
  readonly isProduction: boolean
  /** It is one of several processes that `node:cluster` has started for one app. */
  readonly isWorker: boolean
}

export function processFacts (): ProcessFacts {
  return {
    heapLimit: getHeapStatistics().heap_size_limit,
    memoryLimit: memoryLimit(),
    isProduction: process.env.NODE_ENV === 'production',
    isWorker: cluster.isWorker
  }
}

/** Without a limit the system gives 0, or a number that no machine has. */
function memoryLimit (): number | undefined {
  const bytes = process.constrainedMemory()
  return bytes > 0 && bytes < Number.MAX_SAFE_INTEGER ? bytes : undefined
}
