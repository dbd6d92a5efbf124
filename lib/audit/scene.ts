import { randomInt, randomUUID } from 'node:crypto'
import { isServed, textOf, wordsOf, type Answer, type Ask } from './exchange.ts'

/** Header fields that say who asks. */
export type Person = Readonly<Record<string, string>>

/** What differs from a plain request for the URL. */
export interface Variation {
  readonly method?: string
  /** Makes another URL of the audited one. */
  readonly url?: (url: string) => string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Makes another Host of the one of the crossing. */
  readonly host?: (host: string) => string
  /** Who asks; default: somebody whose responses are cached. */
  readonly as?: Person
}

/** Two requests, of which the second may not get what the first has brought in. */
export interface Crossing {
  /** `canary` is a text that no other request has. */
  readonly attack: (canary: string) => Variation
  /** Default: a plain request. */
  readonly victim?: () => Variation
  /** Both are sent at once. */
  readonly isTogether?: boolean
}

export interface SceneOptions {
  readonly ask: Ask
  /** The audited URL: path, perhaps with a query. */
  readonly url: string
  readonly people: readonly Person[]
  /** Whose plain requests are cached. */
  readonly base: Person
  /** A host that the app answers for; default: one for each crossing that does not exist. */
  readonly host?: string
  /** Makes the cache forget the URL; needed where crossings have one host. */
  readonly forget?: () => Promise<void>
}

/** As often attack and plain request are compared before what only the attack says is believed. */
const ROUNDS = 4

/** One URL of the app, and how it is asked. */
export class Scene {
  readonly url: string
  /** Nobody first, then the test users. */
  readonly people: readonly Person[]
  readonly base: Person
  readonly #options: SceneOptions
  /** What plain requests were answered last: most handlers say the same again, and need not be asked. */
  readonly #plain = new Map<string, ReadonlySet<string>>()

  constructor (options: SceneOptions) {
    this.#options = options
    this.url = options.url
    this.people = [{}, ...options.people]
    this.base = options.base
  }

  /** A host of which the cache knows nothing. */
  async freshHost (): Promise<string> {
    const { forget, host } = this.#options
    if (host === undefined) return `${word()}.cache-audit.invalid`
    await forget?.()
    return host
  }

  async ask (host: string, { method = 'GET', url, headers, body, host: otherHost, as = this.base }: Variation = {}): Promise<Answer> {
    return await this.#options.ask({
      method,
      host: otherHost?.(host) ?? host,
      url: url?.(this.url) ?? this.url,
      headers: { ...as, ...headers },
      ...body === undefined ? {} : { body }
    })
  }

  /** What of the first request reached the second one through the cache, as a sentence; `undefined`: nothing. */
  async cross ({ attack, victim = () => ({}), isTogether = false }: Crossing): Promise<string | undefined> {
    const canary = word()
    const host = await this.freshHost()
    const asked = this.ask(host, attack(canary))
    if (!isTogether) await asked
    const [, got] = await Promise.all([asked, this.ask(host, victim())])
    if (!isServed(got)) return undefined
    if (textOf(got).includes(canary)) return `${described(victim())} was answered from the cache with "${canary}", which only ${described(attack(canary))} had sent`
    const leaked = await this.#leaked(got, { attack, victim })
    return leaked && `${described(victim())} was answered from the cache with ${leaked}, which only the answer to ${described(attack(canary))} has`
  }

  /**
   * What the victim got and only attackers get, when each asks alone. Asking in turns makes times and ids drop out: what both
   * attacks around a plain request say and that one does not say comes from the attack.
   */
  async #leaked (got: Answer, { attack, victim }: Required<Pick<Crossing, 'attack' | 'victim'>>): Promise<string | undefined> {
    const known = this.#plain.get(this.#nameOf(victim()))
    let suspects = [...wordsOf(got)].filter((suspect) => known?.has(suspect) !== true)
    for (let round = 0; round < ROUNDS && suspects.length > 0; round++) {
      const plain = wordsOf(await this.ask(await this.freshHost(), victim()))
      this.#plain.set(this.#nameOf(victim()), plain)
      suspects = suspects.filter((suspect) => !plain.has(suspect))
      if (suspects.length === 0) return undefined
      const attacked = wordsOf(await this.ask(await this.freshHost(), attack(word())))
      suspects = suspects.filter((suspect) => attacked.has(suspect))
    }
    return suspects.length === 0 ? undefined : suspects.slice(0, 3).map(inWords).join(', ')
  }

  /** Equal requests have equal names. */
  #nameOf ({ url, ...rest }: Variation): string {
    return JSON.stringify([url?.(this.url), rest])
  }
}

/** A text that appears nowhere by chance and survives any encoding. */
export function word (): string {
  return `audit${randomUUID().replaceAll('-', '').slice(0, 12)}`
}

function inWords (suspect: string): string {
  return suspect.startsWith('body ') ? 'the body' : `"${suspect.slice(0, 40)}"`
}

/** A port that appears nowhere by chance. */
export function unusualPort (): number {
  return randomInt(20_000, 60_000)
}

const SECRET = /^(?:authorization|cookie|proxy-authorization)$/i

function described ({ method = 'GET', url, headers, body, as }: Variation): string {
  const fields = Object.entries({ ...as, ...headers }).map(([name, value]) => `${name}: ${SECRET.test(name) ? '…' : value.slice(0, 60)}`)
  return [
    `a ${method} request`,
    url !== undefined && `for ${url('/…').slice(0, 100)}`,
    fields.length > 0 && `with ${fields.join(', ')}`,
    body !== undefined && 'with a body'
  ].filter(Boolean).join(' ')
}
