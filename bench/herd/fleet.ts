import { randomUUID } from 'node:crypto'
import type { Run, ServerReport, ServerSettings } from '../../test/herd/settings.ts'
import { Child } from './child.ts'
import type { Answer, Burst, Planned, Saturation, Steady, Throughput } from './requests.ts'

export interface FleetSettings extends Omit<ServerSettings, 'prefix'> {
  readonly processes: number
  /** The only core its servers may run on. */
  readonly core?: number | undefined
}

export interface Server {
  readonly child: Child
  readonly port: number
}

/** A run of a handler, and the server that it runs in. */
export interface FleetRun extends Run {
  readonly server: Server
}

const FILL_MS = 5000

/** Servers that share a Redis, and know nothing of each other. */
export class Fleet {
  readonly servers: Server[] = []
  /** All runs of handlers so far, as they were told. */
  readonly runs: FleetRun[] = []
  readonly #children: Child[] = []
  readonly #settings: ServerSettings
  readonly #core: number | undefined
  #listener: ((run: FleetRun) => void) | undefined

  private constructor ({ processes: _, core, ...settings }: FleetSettings) {
    this.#settings = { ...settings, prefix: `herd-${randomUUID().slice(0, 8)}` }
    this.#core = core
  }

  static async start (settings: FleetSettings): Promise<Fleet> {
    const fleet = new Fleet(settings)
    try {
      await Promise.all(Array.from({ length: settings.processes }, async () => await fleet.#add()))
      return fleet
    } catch (error) {
      await fleet.stop()
      throw error
    }
  }

  get ports (): number[] {
    return this.servers.map(({ port }) => port)
  }

  runsOf (key: string): FleetRun[] {
    return this.runs.filter((run) => run.key === key)
  }

  /** The next run that begins. */
  async nextRun (): Promise<FleetRun> {
    return await new Promise((resolve) => { this.#listener = resolve })
  }

  tell (command: object): void {
    for (const { child } of this.servers) child.tell(command)
  }

  /** Microseconds of CPU time that the servers have used. */
  async cpuMicros (): Promise<number> {
    const all = await Promise.all(this.servers.map(async ({ child }) => {
      const report = child.next<ServerReport>(({ type }) => type === 'cpu')
      child.tell({ type: 'cpu' })
      return await report as Extract<ServerReport, { type: 'cpu' }>
    }))
    return all.reduce((sum, { micros }) => sum + micros, 0)
  }

  /** Kills a server, and starts another one in its place. */
  async replace (server: Server): Promise<void> {
    await server.child.kill()
    this.servers.splice(this.servers.indexOf(server), 1)
    await this.#add()
  }

  async stop (): Promise<void> {
    await Promise.all(this.#children.map(async (child) => await child.kill()))
  }

  async #add (): Promise<void> {
    const child = await Child.start('../../test/herd/server.ts', { args: [JSON.stringify(this.#settings)], core: this.#core })
    this.#children.push(child)
    const { port } = await child.next<ServerReport>(({ type }) => type === 'ready') as Extract<ServerReport, { type: 'ready' }>
    const server = { child, port }
    this.servers.push(server)
    child.onMessage<ServerReport>((report) => {
      if (report.type !== 'run') return
      const run = { ...report.run, server }
      this.runs.push(run)
      this.#listener?.(run)
      this.#listener = undefined
    })
  }
}

/** The process that sends the load; one load at a time. */
export class Client {
  readonly #child: Child

  private constructor (child: Child) {
    this.#child = child
  }

  static async start (core?: number): Promise<Client> {
    const child = await Child.start('client.ts', { core })
    await child.next()
    return new Client(child)
  }

  async burst (load: Omit<Burst, 'type'>): Promise<Answer[]> {
    return await this.#ask({ type: 'burst', ...load })
  }

  async steady (load: Omit<Steady, 'type'>): Promise<Answer[]> {
    return await this.#ask({ type: 'steady', ...load })
  }

  async saturate (load: Omit<Saturation, 'type'>): Promise<Throughput> {
    return await this.#ask({ type: 'saturation', ...load })
  }

  /** Sends these requests until all of them are hits: a response is stored after it was sent. */
  async fill (requests: readonly Planned[]): Promise<void> {
    const giveUpAt = Date.now() + FILL_MS
    for (;;) {
      const missing = (await this.burst({ requests })).find(({ xCache }) => xCache !== 'HIT')
      if (missing === undefined) return
      if (Date.now() > giveUpAt) throw new Error(`expected a hit, got ${JSON.stringify(missing)}`)
    }
  }

  async stop (): Promise<void> {
    await this.#child.kill()
  }

  async #ask<T> (load: Burst | Steady | Saturation): Promise<T> {
    const answer = this.#child.next<T>()
    this.#child.tell(load)
    return await answer
  }
}

/** Starts servers and a client, and ends them whatever happens. */
export async function withFleet<T> (settings: FleetSettings, use: (fleet: Fleet, client: Client) => Promise<T>): Promise<T> {
  const fleet = await Fleet.start(settings)
  try {
    const client = await Client.start()
    try {
      return await use(fleet, client)
    } finally {
      await client.stop()
    }
  } finally {
    await fleet.stop()
  }
}
