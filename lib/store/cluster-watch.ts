import { inTime } from '../deadline.ts'

/** What is watched of a node-redis cluster. */
export interface WatchedCluster {
  readonly masters: readonly WatchedNode[]
  readonly pubSubNode?: WatchedNode
  readonly _slots: { rediscover (startWith: undefined, excludedAddresses: ReadonlySet<string>): Promise<void> }
}

interface WatchedNode {
  readonly address: string
  readonly client?: { readonly isReady: boolean, ping (): Promise<unknown> }
}

const PAUSE_MS = 500
const SILENT_MS = 1000

/**
 * node-redis asks who has which slots when a server sends it elsewhere, and seconds after a connection broke. A server that is frozen, or
 * cut off without a word, does neither: its connections stay, and its slots stay with it long after a replica has them. So the servers are
 * asked for a sign of life, and when one gives none the others are asked who has its slots.
 */
export function watchCluster (cluster: WatchedCluster, { closed, onFault }: { closed: AbortSignal, onFault: (fault: unknown) => void }): void {
  const look = async (): Promise<void> => {
    const nodes = [...cluster.masters, cluster.pubSubNode].filter((node) => node?.client !== undefined) as WatchedNode[]
    const silent = new Set((await Promise.all(nodes.map(silentAddress))).filter((address) => address !== undefined))
    if (silent.size > 0 && !closed.aborted) await inTime(SILENT_MS, cluster._slots.rediscover(undefined, silent), { idle: true })
  }
  let pause: NodeJS.Timeout | undefined
  const again = (): void => {
    if (closed.aborted) return
    pause = setTimeout(() => {
      look().catch((fault: unknown) => { if (!closed.aborted) onFault(fault) }).finally(again)
    }, PAUSE_MS).unref()
  }
  closed.addEventListener('abort', () => { clearTimeout(pause) }, { once: true })
  again()
}

async function silentAddress ({ address, client }: WatchedNode): Promise<string | undefined> {
  if (client!.isReady !== true) return address
  return await inTime(SILENT_MS, client!.ping(), { idle: true }).then(() => undefined, () => address)
}
