import { requestFieldRole } from '../http/request-fields.ts'

/** A GET request that warming makes. */
export interface UrlTarget {
  /** Path and query, as a request line has them. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** Characters of a target as text. */
const LONGEST = 2048

/** One slash: `//host/` and `/\host/` are other servers to whoever parses URLs. */
const PATH = /^\/(?![/\\])[!"$-[\]-~]*$/
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** What Node takes for a value, without line breaks. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Whether this is a path of the app, with or without a query, in the characters that a request line may have. */
export function isPath (url: unknown): url is string {
  return typeof url === 'string' && PATH.test(url)
}

export function isField (name: string, value: unknown): value is string {
  return FIELD_NAME.test(name) && typeof value === 'string' && FIELD_VALUE.test(value)
}

/** What names a target in a `HotStore`, the same for the same request in every process; undefined for what must not get there. */
export function encodeHotTarget ({ url, headers }: UrlTarget): string | undefined {
  const fields = Object.entries(headers).sort(([a], [b]) => a < b ? -1 : 1)
  if (!isPath(url) || !fields.every(isRepeatable)) return undefined
  const text = JSON.stringify([url, ...fields])
  return text.length > LONGEST ? undefined : text
}

/** Undefined when this is none: the text comes from where others may write. */
export function decodeHotTarget (text: string): UrlTarget | undefined {
  if (text.length > LONGEST) return undefined
  const parts = parse(text)
  if (!Array.isArray(parts)) return undefined
  const [url, ...fields] = parts as unknown[]
  return isPath(url) && fields.every(isRepeatable) ? { url, headers: Object.fromEntries(fields) } : undefined
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not ours
  }
}

/** Credentials are nobody's to repeat, and the other fields say something about a body or a connection that there is not. */
function isRepeatable (field: unknown): field is [name: string, value: string] {
  if (!Array.isArray(field) || field.length !== 2) return false
  const [name, value] = field as unknown[]
  return typeof name === 'string' && isField(name, value) && ['none', 'steering'].includes(requestFieldRole(name))
}
