import { silentLogger, type Logger } from '../logger.ts'
import type { StoreProbe } from '../store/store-probe.ts'
import { note, type Advice } from './advice.ts'
import { processFacts } from './process-facts.ts'
import { publicPerUser, routeAdvice, type AdvisedRoute } from './route-rules.ts'
import { settingsAdvice, type AdvisedSettings } from './settings-rules.ts'
import { storeAdvice } from './store-rules.ts'

export interface AdviserOptions {
  readonly settings: AdvisedSettings & { readonly advice: boolean, readonly logger: Logger }
  readonly store: { readonly probe: StoreProbe, connect (): Promise<void> }
}

/** Finds what is risky in the configuration: by the options, by the routes, and by what the store says of itself. */
export class Adviser {
  readonly #settings: AdviserOptions['settings']
  readonly #store: AdviserOptions['store']
  readonly #routes: AdvisedRoute[] = []
  readonly #public = new Set<string>()
  #isClosed = false

  constructor ({ settings, store }: AdviserOptions) {
    this.#settings = settings
    this.#store = store
  }

  add (route: AdvisedRoute): void {
    this.#routes.push(route)
  }

  /** A response for one user said that it is for all. Logged once per route. */
  sawPublic (route: string): void {
    if (this.#public.has(route)) return
    this.#public.add(route)
    const advice = publicPerUser([route])
    if (this.#settings.advice && advice !== undefined) this.#log(advice)
  }

  /** Never rejects: what cannot be found out is a note. */
  async advice (): Promise<Advice[]> {
    const settings = this.#settings
    if (!settings.enabled) return [note('disabled', 'enabled is false: nothing is looked up or stored, and every request runs its handler.')]
    return [...await this.#onStore(), ...settingsAdvice(settings, processFacts()), ...routeAdvice(this.#routes, { settings, publicRoutes: [...this.#public] })]
  }

  /** Logs each advice once the store is connected. Nobody waits for it, and it does not throw. */
  start (): void {
    if (!this.#settings.advice || this.#settings.logger === silentLogger) return
    setImmediate(() => {
      this.#logAll().catch(() => {}) // what the check itself lacks is no fault of the app; `advice()` says it
    }).unref()
  }

  close (): void {
    this.#isClosed = true
  }

  async #logAll (): Promise<void> {
    if (this.#store.probe.hasFacts && !this.#isClosed) await this.#store.connect()
    const found = this.#isClosed ? [] : await this.advice()
    for (const advice of found) if (advice.word !== 'store-unknown' && !this.#isClosed) this.#log(advice)
  }

  async #onStore (): Promise<Advice[]> {
    const { clock, readMs } = this.#settings
    try {
      const facts = await this.#store.probe.facts()
      return facts === undefined ? [] : storeAdvice(facts, { readMs, isSystemClock: clock === Date.now })
    } catch {
      return [note('store-unknown', 'Redis could not be asked how it is configured: it is away, too slow, or does not take the questions. ping() says why.')]
    }
  }

  #log ({ word, level, text, docs }: Advice): void {
    this.#settings.logger[level === 'risk' ? 'warn' : 'info']({ cache: { advice: word, docs } }, `advice: ${text}`)
  }
}
