import type { ExplainedRequest } from '../client/explanation.ts'
import { expectedGot, InvalidTargetError } from '../errors.ts'
import { checkOptions, isPlainObject, type Rule, type Rules } from '../options/check.ts'
import { isField, isPath } from '../warming/hot-target.ts'
import { NOWHERE, type SentRequest } from './repeat.ts'

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Z]{1,40}$/

const any: Rule = { expected: 'anything', accepts: () => true }
const RULES: Rules<ExplainedRequest> = {
  method: { expected: 'a method such as \'POST\'', accepts: (value) => typeof value === 'string' && METHOD.test(value.toUpperCase()) },
  url: any, // its own check says more
  headers: {
    expected: 'an object of header fields with texts such as { \'accept-language\': \'de\' }',
    secret: true,
    accepts: (value) => isPlainObject(value) && Object.entries(value).every(([name, field]) => [field].flat().every((one) => isField(name.toLowerCase().replace(/^:/, ''), one)))
  },
  body: any
}

/** A request as it is shown, and as it is sent. `isSecure`: how this app is reached where the URL does not say it. Throws for what is none. */
export function checkExplained (given: unknown, isSecure: boolean): { method: string, url: string, sent: SentRequest } {
  const where = 'explain()'
  const asked: unknown = typeof given === 'string' ? { url: given } : given
  if (!isPlainObject(asked)) throw new InvalidTargetError('request', where, expectedGot('a path such as \'/users/1\', a URL, or { method, url, headers, body }', given))
  checkOptions<ExplainedRequest>(asked, RULES, `the request in ${where}`)
  const { url, host, isSecure: saysSecure = isSecure } = checkUrl(asked.url)
  const method = (asked.method ?? 'GET').toUpperCase()
  const headers: Record<string, string | string[]> = Object.create(null)
  if (host !== undefined) headers.host = host
  for (const [name, value] of Object.entries(asked.headers ?? {})) headers[name.toLowerCase()] = typeof value === 'string' ? value : [...value]
  const body = bodyOf(asked.body)
  if (body !== undefined) {
    delete headers['content-length'] // that of the body that is sent
    if (typeof asked.body !== 'string' && !(asked.body instanceof Uint8Array)) headers['content-type'] ??= 'application/json'
  }
  return { method, url: asked.url, sent: { method, url, headers, body, socket: { remoteAddress: NOWHERE, ...saysSecure ? { encrypted: true } : {} } } }
}

function checkUrl (given: unknown): { url: string, host?: string, isSecure?: boolean } {
  const [, protocol, host, rest = ''] = typeof given === 'string' ? /^(https?):\/\/([^/?#@\s]+)(.*)$/is.exec(given) ?? [] : []
  const path = protocol === undefined ? given : rest.startsWith('/') ? rest : `/${rest}`
  const url = typeof path === 'string' ? printable(path) : undefined
  if (!isPath(url)) throw new InvalidTargetError('url', 'explain()', expectedGot('a path of the app such as \'/users/1?sort=name\' without a #, or a whole http URL', given))
  return protocol === undefined ? { url } : { url, host: host!, isSecure: protocol.toLowerCase() === 'https' }
}

/** As browsers send it. */
function printable (url: string): string {
  return url.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent)
}

function bodyOf (body: unknown): string | Buffer | undefined {
  if (body === undefined || typeof body === 'string') return body
  if (body instanceof Uint8Array) return Buffer.from(body)
  try {
    const json = JSON.stringify(body) as string | undefined
    if (json !== undefined) return json
  } catch {
    // said below
  }
  throw new InvalidTargetError('body', 'explain()', expectedGot('a text, a Buffer, or what JSON has words for', body))
}
