import { setTimeout as sleep } from 'node:timers/promises'
import { below, oneOf, skewed } from '../oracle/random.ts'
import { now } from '../oracle/settings.ts'
import { Client } from './client.ts'
import { PADDING, pathOf, thingOf, type LoadReport, type LoadSettings, type Operation, type Sample, type Touch } from './settings.ts'

const POPULAR = 20
const MOST_AT_ONCE = 500
/** A response that was made is stored behind its answer. */
const STORED_AFTER_MS = 250
const HERD = 3

interface Shown {
  readonly thing: number
  readonly version: number
  readonly run: string
}

interface Asked extends Pick<Sample, 'of' | 'method' | 'port'> {
  readonly path: string
  readonly json?: string
}

/** What is made of a complete answer. Throws when it is a broken one. */
type Judged = (shown: Readonly<Record<string, unknown>>, isHit: boolean) => Pick<Sample, 'thing' | 'version' | 'isHit' | 'isNormal'>

/** Clients that ask at a steady rate, whatever the answers take. */
export class Load {
  readonly #settings: LoadSettings
  readonly #client = new Client()
  #timers: NodeJS.Timeout[] = []
  #underWay = new Set<Promise<void>>()
  #samples: Sample[] = []
  #touches: Touch[] = []
  #next = 0

  constructor (settings: LoadSettings) {
    this.#settings = settings
  }

  start (): void {
    const { operations } = this.#settings
    for (const operation of operations) this.#loads[operation]()
    this.#every(200, async () => { await this.#touch(thingOf(oneOf(operations.filter((one) => one !== 'lease' && one !== 'store')), below(POPULAR))) })
  }

  async stop (): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    await Promise.all(this.#underWay)
    this.#client.hangUp()
  }

  /** What was seen since the last time. */
  take (): LoadReport {
    const report = { samples: this.#samples, touches: this.#touches }
    this.#samples = []
    this.#touches = []
    return report
  }

  readonly #loads: Readonly<Record<Operation, () => void>> = {
    'look-up': () => {
      this.#every(25, async () => {
        const thing = thingOf('look-up', skewed(POPULAR))
        await Promise.all([this.#get(oneOf(this.#redis), thing), this.#get(this.#settings.ports.plain, thing)])
      })
    },
    feed: () => { this.#every(25, async () => { await this.#get(oneOf(this.#settings.ports.memory), thingOf('feed', skewed(POPULAR))) }) },
    store: () => {
      this.#every(100, async () => {
        const thing = thingOf('store', this.#next++ % 900_000)
        const isTouched = thing % 5 === 0
        const [first, second] = this.#twoRedis()
        await this.#get(first, thing, { isNew: true })
        if (isTouched) await this.#touch(thing)
        await sleep(STORED_AFTER_MS)
        await this.#get(second, thing, { isNew: isTouched })
      })
    },
    invalidate: () => {
      this.#every(50, async () => { await this.#get(oneOf(this.#redis), thingOf('invalidate', below(POPULAR)), { isNew: true }) })
      this.#every(150, async () => { await this.#touch(thingOf('invalidate', below(POPULAR))) })
      this.#every(200, async () => { await this.#write('plain write', this.#settings.ports.plain, thingOf('invalidate', POPULAR)) })
    },
    lease: () => { this.#every(250, async () => { await this.#herd(thingOf('lease', this.#next++ % 900_000)) }) },
    warm: () => {
      const things = Array.from({ length: 10 }, (_, id) => thingOf('warm', id))
      this.#every(100, async () => { await this.#get(oneOf(this.#redis), oneOf(things), { isNew: true }) })
      this.#every(500, async () => { await this.#warm(oneOf(this.#redis), things) })
    }
  }

  get #redis (): readonly number[] {
    return this.#settings.ports.redis
  }

  #twoRedis (): [number, number] {
    const [first, second = first] = Math.random() < 0.5 ? this.#redis : this.#redis.toReversed()
    return [first!, second!]
  }

  #every (ms: number, run: () => Promise<void>): void {
    this.#timers.push(setInterval(() => {
      if (this.#underWay.size >= MOST_AT_ONCE) return
      const running: Promise<void> = run().finally(() => { this.#underWay.delete(running) })
      this.#underWay.add(running)
    }, ms * this.#settings.pace))
  }

  /** `isNew`: whether it is a hit says nothing. */
  async #get (port: number, thing: number, { isNew = false } = {}): Promise<Shown | undefined> {
    const isPlain = port === this.#settings.ports.plain
    const operation = operationIn(pathOf(thing))
    const plain = operation === 'lease' ? 'plain slow' : 'plain'
    return await this.#sampled({ of: isPlain ? plain : operation, method: 'GET', port, path: pathOf(thing) }, (shown, isHit) => {
      if (shown.thing !== thing || typeof shown.version !== 'number' || shown.padding !== PADDING) throw new Error(`${pathOf(thing)} shows something else`)
      return isPlain ? {} : { thing, version: shown.version, isHit, ...isNew ? {} : { isNormal: isHit } }
    })
  }

  async #touch (thing: number): Promise<void> {
    await this.#write('invalidate', oneOf(this.#redis), thing)
  }

  async #write (of: 'invalidate' | 'plain write', port: number, thing: number): Promise<void> {
    await this.#sampled({ of, method: 'PUT', port, path: `/touch/${thing}` }, ({ version, isAcknowledged }) => {
      if (typeof version !== 'number' || typeof isAcknowledged !== 'boolean') throw new Error('the answer to a write shows something else')
      if (of === 'plain write') return {}
      this.#touches.push({ thing, version, at: now(), port, isAcknowledged })
      return { isNormal: isAcknowledged }
    })
  }

  /** Some clients of each process want what nobody has asked for before: its handler is to run once. */
  async #herd (thing: number): Promise<void> {
    const at = now()
    const beganAt = performance.now()
    const shown = await Promise.all(this.#redis.flatMap((port) => Array.from({ length: HERD }, () => this.#get(port, thing, { isNew: true }))))
    const runs = new Set(shown.map((one) => one?.run))
    this.#samples.push({ of: 'lease', method: 'POST', at, ms: performance.now() - beganAt, port: 0, isNormal: runs.size === 1 && !runs.has(undefined) })
    await this.#get(this.#settings.ports.plain, thing)
    await this.#get(this.#settings.ports.plain, thing)
  }

  async #warm (port: number, things: readonly number[]): Promise<void> {
    await this.#sampled({ of: 'warm', method: 'POST', port, path: '/warm', json: JSON.stringify(things) }, ({ filled, fresh, failed }) => {
      if (typeof failed !== 'number') throw new Error('the answer to warming shows something else')
      return { isNormal: failed === 0 && Number(filled) + Number(fresh) === things.length }
    })
  }

  async #sampled ({ path, json, ...how }: Asked, judged: Judged): Promise<Shown | undefined> {
    const at = now()
    const beganAt = performance.now()
    try {
      const { status, xCache, body } = await this.#client.ask(how.port, { method: how.method, path, ...json === undefined ? {} : { json } })
      const ms = performance.now() - beganAt
      if (status !== 200) throw new Error(`status ${status}: ${body.slice(0, 300)}`)
      const shown = JSON.parse(body) as Shown & Record<string, unknown>
      this.#samples.push({ ...how, at, ms, ...judged(shown, xCache === 'HIT') })
      return shown
    } catch (fault) {
      this.#samples.push({ ...how, at, ms: performance.now() - beganAt, error: `${how.method} ${path}: ${(fault as Error).message}`, isNormal: false })
      return undefined
    }
  }
}

function operationIn (path: string): Operation {
  return path.slice(1, path.lastIndexOf('/')) as Operation
}
