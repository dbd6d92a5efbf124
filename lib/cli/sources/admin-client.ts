import { bytesOf } from '../bounded-body.ts'
import { CommandError } from '../exit.ts'
import type { AdminPlace } from '../places.ts'
import { faultText } from './redis-fault.ts'

const MOST_BYTES = 64 * 1024 * 1024
/** Handlers may run for so long. */
const SLOW_MS = 60_000
const SHOWN = 300

type Query = Readonly<Record<string, string | undefined>>

/** Asks the admin routes. What they answer is what this version sends; the types say no more than that. */
export class AdminClient {
  readonly #place: AdminPlace

  constructor (place: AdminPlace) {
    this.#place = place
  }

  async get<Answer> (path: string, query: Query = {}): Promise<Answer> {
    const url = this.#urlOf(path, query)
    return this.#understood<Answer>(url, await this.#ask(url, {}))
  }

  /** Undefined when there is no such thing. */
  async find<Answer> (path: string, query: Query): Promise<Answer | undefined> {
    const url = this.#urlOf(path, query)
    const answer = await this.#ask(url, {})
    return answer.status === 404 && errorOf(answer)?.code === 'RESPONSE_CACHE_ERR_NO_ENTRY' ? undefined : this.#understood<Answer>(url, answer)
  }

  async post<Answer> (path: string, body: unknown, { isSlow = false }: { isSlow?: boolean } = {}): Promise<Answer> {
    const url = this.#urlOf(path, {})
    const init = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    return this.#understood<Answer>(url, await this.#ask(url, init, isSlow ? SLOW_MS : undefined))
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
      return { status: response.status, text: (await bytesOf(response, MOST_BYTES)).toString('utf8') }
    } catch (fault) {
      throw new CommandError(`cannot ask ${url.origin}${url.pathname}: ${faultText(fault)}. Is the app running, and is that the address of its admin routes?`)
    }
  }

  #understood<Answer> (url: URL, answer: Answered): Answer {
    const { status, text } = answer
    const where = `${url.origin}${url.pathname}`
    if (status === 401 || status === 403) throw new CommandError(`${where} refuses with ${status}: expected credentials that the guard of the app takes, as in --admin-header 'authorization: …' or CACHE_ADMIN_HEADER. ${errorOf(answer)?.message ?? ''}`.trim())
    const value = parsed(text)
    if (status === 200 && value !== undefined) return value as Answer
    const error = errorOf(answer)
    if (error?.code?.startsWith('RESPONSE_CACHE_ERR_') === true) throw new CommandError(`${error.message} (${error.code})`)
    throw new CommandError(`${where} answered ${status}, expected 200 with JSON. Is that the address that fastify-response-cache/admin is registered at, with its prefix?${status < 500 ? '' : ` It said: ${(error?.message ?? text).slice(0, SHOWN)}`}`)
  }
}

interface Answered {
  readonly status: number
  readonly text: string
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
