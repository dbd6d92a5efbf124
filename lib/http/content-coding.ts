import { parseWeight } from './weight.ts'

/*
 * Accept-Encoding, RFC 9110 section 12.5.3. A request without the field would accept anything by the standard; those who send none do not
 * decode anything in practice, so they get no coding here, which is right for all.
 */

/** Whether a body in this coding may be sent. `x-gzip` and `x-compress` are other names (section 8.4.1). */
export function acceptsCoding (acceptEncoding: string | undefined, coding: string): boolean {
  if (acceptEncoding === undefined) return false
  const weights = parseAcceptEncoding(acceptEncoding)
  return (weights.get(canonical(coding)) ?? weights.get('*') ?? 0) > 0
}

/** The weights by coding. Malformed members are left out; of two for one coding the lower counts. */
function parseAcceptEncoding (field: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const member of field.split(',')) {
    const [name, parameter, ...more] = member.split(';').map((part) => part.trim())
    const weight = parameter === undefined ? 1 : /^q=/i.test(parameter) ? parseWeight(parameter.slice(2)) : undefined
    if (weight === undefined || more.length > 0) continue
    const coding = canonical(name!)
    weights.set(coding, Math.min(weight, weights.get(coding) ?? 1))
  }
  return weights
}

function canonical (coding: string): string {
  const name = coding.toLowerCase()
  return name === 'x-gzip' || name === 'x-compress' ? name.slice(2) : name
}

/** Types that are text by another name, or raw data. Types that end in +json or +xml need not be here, nor does text. */
const COMPRESSIBLE = new Set([
  'application/json', 'application/json5', 'application/ndjson', 'application/x-ndjson', 'application/jsonl', 'application/json-seq', 'application/javascript',
  'application/x-javascript', 'application/ecmascript', 'application/xml', 'application/xml-dtd', 'application/yaml', 'application/x-yaml', 'application/toml', 'application/graphql',
  'application/sql', 'application/rtf', 'application/postscript', 'application/tar', 'application/x-tar', 'application/wasm', 'application/x-sh',
  'application/x-www-form-urlencoded', 'application/vnd.ms-fontobject', 'application/vnd.dart', 'application/x-protobuf', 'application/protobuf',
  'font/ttf', 'font/otf', 'font/collection', 'application/x-font-ttf', 'image/bmp', 'image/x-ms-bmp', 'image/x-icon', 'image/vnd.microsoft.icon', 'image/vnd.adobe.photoshop', 'message/rfc822'
])

/** Whether bodies of a media type (lower case, without parameters) become smaller. A stream of events does not wait for that. */
export function isCompressible (mediaType: string): boolean {
  if (mediaType === 'text/event-stream') return false
  return COMPRESSIBLE.has(mediaType) || mediaType.startsWith('text/') || /^[^/]+\/.+\+(?:json|xml|yaml|text|json-seq)$/.test(mediaType)
}
