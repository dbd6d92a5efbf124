import { hash } from 'node:crypto'

/** A request of a probe. */
export interface ProbeRequest {
  readonly method: string
  /** The host, which no other request of an audit has unless it means to share an entry. */
  readonly host: string
  /** Path and query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Answer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, number | string | readonly string[] | undefined>>
  /** One character for each byte. */
  readonly body: string
}

/** Sends one request. When it resolves, what the cache stores of the answer is stored. */
export type Ask = (request: ProbeRequest) => Promise<Answer>

/** The value of a field, several lines joined; empty without one. */
export function fieldOf ({ headers }: Answer, name: string): string {
  const value = headers[name]
  return value === undefined ? '' : typeof value === 'object' ? value.join(', ') : String(value)
}

/** Whether the cache has sent something that was made for another request. */
export function isServed (answer: Answer): boolean {
  return /^(?:HIT|STALE|REVALIDATED)$/.test(fieldOf(answer, 'x-cache'))
}

/** Fields that every exchange has of its own. */
const OWN_FIELDS = new Set([
  'date', 'age', 'x-cache', 'cache-status', 'x-cache-key', 'x-cache-ttl-remaining', 'x-cache-date',
  'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'expires'
])

/** Larger bodies are compared by what comes first. */
const MOST_TEXT = 200_000

/** Control characters are in no text. */
// eslint-disable-next-line no-control-regex
const BINARY = /[\0-\x08\x0e-\x1a]/

/** All that a client can read of an answer. */
export function textOf (answer: Answer): string {
  const fields = Object.keys(answer.headers).filter((name) => !OWN_FIELDS.has(name)).map((name) => `${name}: ${fieldOf(answer, name)}`)
  return `${fields.join('\n')}\n\n${answer.body.slice(0, MOST_TEXT)}`
}

/** What an answer says, taken apart, so that two answers can be compared where ids and times differ in every one. */
export function wordsOf (answer: Answer): Set<string> {
  const names = Object.keys(answer.headers).filter((name) => !OWN_FIELDS.has(name))
  const text = BINARY.test(answer.body) ? textOf({ ...answer, body: '' }) : textOf(answer)
  return new Set([
    `status ${answer.status}`,
    // Bodies of the same words may still say something else.
    answer.body === '' ? 'no body' : `body ${hash('sha256', answer.body, 'base64url').slice(0, 12)}`,
    ...names.map((name) => `field ${name}`),
    ...text.split(/[^\p{L}\p{N}_\-.]+/u).filter((word) => word !== '')
  ])
}
