import { crossingProbe, type Probe } from '../probe.ts'
import { unusualPort, word, type Crossing } from '../scene.ts'

/*
 * Header fields that apps reflect and caches overlook. Each is sent once; the next request for the URL, without it, may not see
 * anything of it.
 */

const KETTLE_2018 = 'PortSwigger, Practical Web Cache Poisoning (2018)'
const ENTANGLEMENT = 'PortSwigger, Web Cache Entanglement (2020)'

const STEERING = 'Do not read this field in the handler; let the proxy in front set it and Fastify\'s trustProxy read it; or name it in varyByHeaders.'
const NEGOTIATED = 'Send Vary with this field, or name it in varyByHeaders.'
const CONTEXT = 'Name the field in varyByHeaders, or do not put what it says into the response.'

/** Sends these fields; `~` stands for the canary. */
function sending (headers: Record<string, string>): Crossing {
  return { attack: (canary) => ({ headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replaceAll('~', canary)])) }) }
}

/** Name, reference, advice, then the fields, each group sent by itself. */
const TABLE: ReadonlyArray<readonly [name: string, reference: string, advice: string, ...fields: ReadonlyArray<Record<string, string>>]> = [
  ['X-Forwarded-Host is not in the key', KETTLE_2018, STEERING, { 'x-forwarded-host': '~.example' }],
  ['X-Forwarded-Proto and -Scheme are not in the key', KETTLE_2018, STEERING, { 'x-forwarded-proto': '~' }, { 'x-forwarded-scheme': '~' }, { 'x-forwarded-proto': 'http', 'x-forwarded-ssl': '~' }, { 'x-url-scheme': '~' }, { 'front-end-https': '~' }],
  ['X-Forwarded-Prefix and -Path are not in the key', 'Symfony CVE-2021-41267', STEERING, { 'x-forwarded-prefix': '/~' }, { 'x-forwarded-path': '/~' }, { 'x-forwarded-uri': '/~' }],
  ['X-Host and X-Forwarded-Server are not in the key', KETTLE_2018, STEERING, { 'x-host': '~.example' }, { 'x-forwarded-server': '~.example' }, { 'x-original-host': '~.example' }],
  ['X-Original-URL and X-Rewrite-URL are not in the key', KETTLE_2018, STEERING, { 'x-original-url': '/~' }, { 'x-rewrite-url': '/~' }, { 'x-original-uri': '/~' }],
  ['fields of proxies and clouds are not in the key', KETTLE_2018, STEERING, ...['x-forwarded-url', 'x-http-host-override', 'x-original-forwarded-host', 'x-real-host', 'disguised-host', 'x-envoy-original-path', 'x-ms-original-url', 'x-waws-unencoded-url', 'cloudfront-forwarded-proto', 'x-arr-ssl', 'cf-visitor'].map((name) => ({ [name]: '~' }))],
  ['Forwarded is not in the key', 'RFC 7239 section 8.1', STEERING, { forwarded: 'for=192.0.2.1;host=~.example;proto=~' }],
  ['the address of the client is shared', KETTLE_2018, CONTEXT, { 'x-forwarded-for': '198.51.100.77, ~' }, { 'x-real-ip': '~' }, { 'true-client-ip': '~' }, { 'cf-connecting-ip': '~' }, { 'x-client-ip': '~' }, { 'x-forwarded-for': '198.51.100.77' }],
  ['User-Agent is not in the key', KETTLE_2018, CONTEXT, { 'user-agent': 'Mozilla/5.0 ~' }, { 'user-agent': 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148' }, { 'user-agent': 'Googlebot/2.1 (+http://www.google.com/bot.html)' }],
  ['Referer is not in the key', KETTLE_2018, CONTEXT, { referer: 'https://~.example/' }],
  ['Accept is not in the key', 'RFC 9110 section 12.5.5', NEGOTIATED, { accept: 'application/~' }, { accept: 'application/xml' }, { accept: 'text/html' }],
  ['Accept-Language is not in the key', 'RFC 9110 section 12.5.5', NEGOTIATED, { 'accept-language': 'x-~' }, { 'accept-language': 'de-CH' }, { 'accept-language': 'ar' }],
  ['an encoded body is sent to clients that cannot read it', 'RFC 9110 section 12.5.3', NEGOTIATED, { 'accept-encoding': 'gzip' }, { 'accept-encoding': 'br' }, { 'accept-encoding': 'zstd, ~' }],
  ['Origin is echoed to other origins', 'Hono GHSA-q7jf-gf43-6x6p', 'Send Vary: Origin, or allow every origin with *.', { origin: 'https://~.example' }],
  ['the id of a request is repeated', 'RFC 9111 section 3.1', 'Send the id in a field named X-Request-Id; keep it out of the body.', { 'x-request-id': '~', 'request-id': '~', 'x-correlation-id': '~' }, { traceparent: `00-${'0'.repeat(31)}1-00000000000000~-01`, 'x-trace-id': '~' }],
  ['x-now-route-matches is not in the key', 'Next.js CVE-2024-46982', STEERING, { 'x-now-route-matches': '1=~' }],
  ['x-nextjs-data is not in the key', 'Next.js GHSA-3g8h-86w9-wvmq', STEERING, { 'x-nextjs-data': '~' }, { 'x-nextjs-data': '1' }],
  ['internal fields of a framework are not in the key', KETTLE_2018, STEERING, { 'x-middleware-prefetch': '~' }, { 'x-invoke-path': '/~' }, { 'x-invoke-status': '500', 'x-invoke-error': '~' }, { rsc: '1' }],
  ['X-Requested-With selects a part of the page', KETTLE_2018, CONTEXT, { 'x-requested-with': '~' }, { 'x-requested-with': 'XMLHttpRequest' }, { 'hx-request': 'true' }, { 'x-pjax': 'true' }, { 'turbo-frame': '~' }],
  ['client hints are not in the key', 'RFC 8942 section 3.2', NEGOTIATED, { 'save-data': 'on' }, { 'sec-ch-ua-mobile': '?1' }, { 'sec-ch-ua': '"~"' }, { 'device-memory': '0.25' }, { dpr: '3' }],
  ['Sec-Fetch and Purpose select a response', 'W3C, Fetch Metadata Request Headers', NEGOTIATED, { 'sec-fetch-dest': 'script', 'sec-fetch-site': 'cross-site' }, { purpose: 'prefetch', 'sec-purpose': 'prefetch' }],
  ['the place of the client is shared', KETTLE_2018, CONTEXT, { 'cf-ipcountry': '~' }, { 'x-vercel-ip-country': '~' }, { 'cloudfront-viewer-country': '~' }, { 'x-country': '~' }, { 'cf-ipcountry': 'CN' }],
  ['the tenant of a request is not in the key', KETTLE_2018, 'Return the tenant from the plugin option "user" with varyByUser, or name the field in varyByHeaders.', { 'x-tenant': '~' }, { 'x-tenant-id': '~' }, { 'x-org-id': '~' }, { 'x-workspace': '~' }],
  ['language, theme and version fields are not in the key', KETTLE_2018, CONTEXT, { 'x-locale': '~' }, { 'x-lang': '~' }, { 'x-language': '~' }, { 'x-theme': '~' }, { 'x-version': '~' }, { 'x-api-version': '~' }, { 'accept-version': '~' }],
  ['experiments and debug switches are not in the key', KETTLE_2018, CONTEXT, { 'x-feature': '~' }, { 'x-experiment': '~' }, { 'x-variant': '~' }, { 'x-debug': '1' }, { 'x-preview': '1' }, { 'x-test': '~' }],
  ['fields of the cache protocol are reflected', 'RFC 9111 section 5.2.1', CONTEXT, { pragma: '~' }, { 'cache-control': 'x=~' }, { via: '1.1 ~' }, { 'x-cache': '~' }]
]

const HOSTS: readonly Probe[] = [
  crossingProbe(
    { name: 'the port of Host is not in the key', reference: ENTANGLEMENT, severity: 'high', advice: 'Leave Host as it came: request.host with its port selects the response.' },
    { attack: () => ({ host: (host) => `${host}:${unusualPort()}` }) },
    { attack: () => ({ host: (host) => host, headers: { 'x-forwarded-port': String(unusualPort()) } }) }
  ),
  crossingProbe(
    { name: 'another spelling of Host is the same key', reference: 'Youstin, Cache Poisoning at Scale (2021)', severity: 'medium', advice: 'Compare hosts in lower case, and refuse what you do not serve with a status that is not cached.' },
    { attack: () => ({ host: (host) => host.toUpperCase() }) },
    { attack: () => ({ host: (host) => `${host}.` }) }
  )
]

export const unkeyedHeaders: readonly Probe[] = [
  ...TABLE.map(([name, reference, advice, ...fields]) => crossingProbe({ name, reference, severity: 'high', advice }, ...fields.map(sending))),
  ...HOSTS
]

/** For the fields that the caller names. */
export function namedHeaders (names: readonly string[]): Probe[] {
  return names.map((name) => crossingProbe(
    { name: `${name} is not in the key`, reference: KETTLE_2018, severity: 'high', advice: CONTEXT },
    { attack: () => ({ headers: { [name]: word() } }) }, sending({ [name]: '~' }), sending({ [name]: '' })
  ))
}
