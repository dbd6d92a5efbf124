import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/*
 * What a mark can name. Every stored response and value has labels; an invalidation marks labels, and whatever carries one of
 * them and was filled before is dead. A letter tells the kinds apart.
 *
 * Two different things may share a label: then an invalidation of one kills the other as well, which costs a miss. The same thing
 * must never have two labels, or an invalidation would miss it. So texts are brought to one form here, for filling and
 * invalidating alike; half a surrogate pair, which UTF-8 cannot write, among them. A long one is its digest: clients choose URLs, and marks
 * of them are kept.
 */

/** Characters. */
const LONGEST_LABEL = 256

function label (kind: string, text: string): string {
  const whole = text.toWellFormed()
  return whole.length > LONGEST_LABEL ? `${kind}:${hash('sha256', whole, 'base64url')}` : `${kind}:${whole}`
}

/** Everything. Carried by all entries without being written down. */
export const ALL = 'a'

export function tagLabel (tag: string): string {
  return label('t', tag)
}

export function namespaceLabel (namespace: string): string {
  return label('n', namespace)
}

/** The number 7 and the string '7' are one user here, and so is `sub` '7' of any issuer. */
export function userLabel (user: string | number): string {
  return label('u', String(user))
}

/** One entry by its id: what follows the prefix of its Redis key. */
export function keyLabel (id: string): string {
  return label('k', id)
}

/** So many, that a fleet that sets values all the time has no more marks of it than these. */
const BUCKETS = 4096

/** The bucket of a value. A change of one value concerns the copies of all in its bucket: they are read again. */
export function bucketOf (id: string): string {
  return (crc32(id.toWellFormed()) % BUCKETS).toString(36)
}

/** Entries by a glob over their ids. */
export function patternLabel (pattern: string): string {
  return `p:${pattern.toWellFormed()}`
}

/**
 * The labels of a response to `url`: its path, the path with its query, and, where the key covers less than the query, one that
 * an invalidation of any query of this path marks.
 */
export function urlLabels (url: string, { coversQuery }: { coversQuery: boolean }): string[] {
  const { path, query } = normalUrl(url)
  // A router may take a semicolon for the beginning of the query.
  const paths = path.includes(';') ? [label('l', path), label('l', normalPath(path.split(';', 1)[0]!))] : [label('l', path)]
  return [...paths, ...(coversQuery ? query === '' ? [] : [label('l', `${path}?${query}`)] : [label('q', path)])]
}

/** What to mark for a URL: without a query, the path with every query it has; with one, that query alone. */
export function urlMarks (url: string): string[] {
  const { path, query } = normalUrl(url)
  return query === '' ? [label('l', path)] : [label('l', `${path}?${query}`), label('q', path)]
}

/**
 * Whatever routers may take for the same: case and a trailing slash of a path, encodings, the order of a query. Hosts share their
 * labels. Not the URL parser, which strips white space and reads `user:1` as an absolute URL.
 */
function normalUrl (url: string): { path: string, query: string } {
  const target = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/#.*$/s, '')
  const [, path, query] = /^([^?]*)\??(.*)$/s.exec(target)!
  return { path: normalPath(path!), query: normalQuery(query!) }
}

function normalPath (path: string): string {
  const kept: string[] = []
  for (const segment of decoded(path).toLowerCase().split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '.' && segment !== '') kept.push(segment)
  }
  return `/${kept.join('/')}`
}

function normalQuery (query: string): string {
  const pairs = query.split('&').filter((pair) => pair !== '').map((pair) => {
    const [name, ...value] = pair.replaceAll('+', ' ').split('=')
    return [decoded(name!), decoded(value.join('='))] as const
  })
  // Values of one name keep their order.
  return pairs.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0).map((pair) => pair.join('=')).join('&')
}

/** Bytes that are no UTF-8 become U+FFFD, on both sides alike. */
function decoded (text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString()).toWellFormed()
}
