import { bytesOf } from '../bounded-body.ts'
import { CommandError, UsageError } from '../exit.ts'
import type { AdminPlace } from '../places.ts'
import { faultText, tlsFaultMeans } from './redis-fault.ts'

const MOST_BYTES = 64 * 1024 * 1024
/** Handlers may run for so long. */
const SLOW_MS = 60_000
const SHOWN = 300
const REFUSED = 'RESPONSE_CACHE_ERR_ADMIN_REQUEST'

type Query = Readonly<Record<string, string | undefined>>

/**
 * Asks the admin routes. What they answer is what this version sends; the types say no more than that. Each call names something that its answer
 * has, so that any other server with JSON is told from them.
 */
export class AdminClient {
  readonly #place: AdminPlace

  constructor (place: AdminPlace) {
    this.#place = place
  }

  async get<Answer> (path: string, has: keyof Answer & string, query: Query = {}): Promise<Answer> {
    const url = this.#urlOf(path, query)
    return this.#understood<Answer>(url, await this.#ask(url, {}), has)
  }

  /** Undefined when there is no such thing. */
  async find<Answer> (path: string, has: keyof Answer & string, query: Query): Promise<Answer | undefined> {
    const url = this.#urlOf(path, query)
    const answer = await this.#ask(url, {})
    return answer.status === 404 && errorOf(answer)?.code === 'RESPONSE_CACHE_ERR_NO_ENTRY' ? undefined : this.#understood<Answer>(url, answer, has)
  }

  async post<Answer> (path: string, has: keyof Answer & string, body: unknown): Promise<Answer> {
    const url = this.#urlOf(path, {})
    return this.#understood<Answer>(url, await this.#ask(url, posting(body)), has)
  }

  /** For what handlers of the app do. Undefined when they take longer than the admin routes wait. */
  async postSlowly<Answer> (path: string, has: keyof Answer & string, body: unknown): Promise<Answer | undefined> {
    const url = this.#urlOf(path, {})
    const answer = await this.#ask(url, posting(body), SLOW_MS)
    return answer.status === 504 && errorOf(answer)?.code === REFUSED ? undefined : this.#understood<Answer>(url, answer, has)
  }

  #urlOf (path: string, query: Query): URL {
    const url = new URL(path, this.#place.url)
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value)
    return url
  }

  async #ask (url: URL, { headers, ...init }: { method?: string, body?: string, headers?: Record<string, string> }, ms = this.#place.timeoutMs): Promise<Answered> {
    try {
      const signal = AbortSignal.timeout(ms)
      // Credentials are for this address, and not for another one that it might name.
      const response = await fetch(url, { ...init, headers: { accept: 'application/json', ...this.#place.headers, ...headers }, redirect: 'manual', signal })
      return { status: response.status, location: response.headers.get('location'), text: (await bytesOf(response.body ?? [], MOST_BYTES)).toString('utf8') }
    } catch (fault) {
      const text = faultText(fault)
      throw new CommandError(`cannot ask ${url.origin}${url.pathname}: ${text}. ${tlsFaultMeans(text) ?? 'Is the app running, and is that the address of its admin routes?'}`)
    }
  }

  #understood<Answer> (url: URL, answer: Answered, has: keyof Answer & string): Answer {
    const { status, text, location } = answer
    const where = `${url.origin}${url.pathname}`
    if (status === 401 || status === 403) throw new CommandError(`${where} refuses with ${status}: expected credentials that the guard of the app takes, as in --admin-header 'authorization: …' or CACHE_ADMIN_HEADER. ${errorOf(answer)?.message ?? ''}`.trim())
    const value = parsed(text)
    if (status === 200 && value !== undefined && Object.hasOwn(value, has)) return value as Answer
    const error = errorOf(answer)
    if (error?.code === REFUSED && status === 400) throw new UsageError(error.message)
    if (error?.code?.startsWith('RESPONSE_CACHE_ERR_') === true) throw new CommandError(`${error.message} (${error.code})`)
    throw new CommandError(`${where} answered ${status}${location === null ? '' : `, which leads to ${location}`}, expected 200 with what the admin routes say. Is that the address that fastify-response-cache/admin is registered at, with its prefix?${status < 500 ? '' : ` It said: ${(error?.message ?? text).slice(0, SHOWN)}`}`)
  }
}

interface Answered {
  readonly status: number
  readonly location: string | null
  readonly text: string
}

function posting (body: unknown): { method: string, body: string, headers: Record<string, string> } {
  return { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
}

/** As Fastify writes it. */
function errorOf ({ text }: Answered): { readonly code?: string, readonly message: string } | undefined {
  const value = parsed(text)
  if (value === undefined || !('message' in value) || typeof value.message !== 'string') return undefined
  return { message: value.message.slice(0, SHOWN), ...'code' in value && typeof value.code === 'string' ? { code: value.code } : {} }
}

function parsed (text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined // not JSON: not one of ours
  }
}
