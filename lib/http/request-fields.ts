/*
 * Request header fields that decide how a request may use a shared cache.
 *
 * - credential: says who asks. RFC 9111 section 3.5 names Authorization; the others are how API keys and the identity
 *   that an authenticating proxy has found are passed on.
 * - steering: routing fields that frameworks and handlers reflect into responses, the classic unkeyed inputs of cache
 *   poisoning (CVE-2021-41267, CVE-2024-46982). They become part of the key whenever they are present.
 */
export type RequestFieldRole = 'credential' | 'cookie' | 'steering' | 'forwarded' | 'content' | 'upgrade' | 'none'

const CREDENTIALS = [
  'authorization', 'proxy-authorization', 'dpop', 'x-user', 'x-username', 'x-userid', 'x-userinfo', 'x-remote-user', 'x-webauth-user',
  'client-cert', 'client-cert-chain', 'x-client-cert', 'x-forwarded-client-cert', 'x-ssl-client-cert', 'x-ssl-client-dn', 'x-consumer-id', 'x-forwarded-groups'
]

/** Names that say by themselves that the field holds a key, a token or who somebody is. */
const CREDENTIAL_WORDS = /(?:^|-)(?:[a-z]*api-?key|auth(?:entik|enticated|entication|orization)?|[a-z]*token|jwt|[a-z]*assertion|credentials?|identity|password|principal|secret|session|signature|user(?:-?name|-?id|-?info)?|email|oidc|(?:access|admin|functions|subscription)-key)(?:-|$)/

const STEERING = [
  ':authority', // HTTP/2 may have a Host field as well, and another one
  'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-protocol', 'x-forwarded-scheme', 'x-forwarded-port', 'x-forwarded-prefix',
  'x-forwarded-path', 'x-forwarded-uri', 'x-forwarded-server', 'x-forwarded-ssl', 'x-original-host', 'x-original-url', 'x-original-uri',
  'x-rewrite-url', 'x-forwarded-url', 'x-original-forwarded-host', 'x-http-host-override', 'x-real-host', 'disguised-host', 'x-envoy-original-path',
  'x-ms-original-url', 'x-waws-unencoded-url', 'cloudfront-forwarded-proto', 'cf-visitor', 'x-arr-ssl', 'x-host', 'x-scheme', 'x-url-scheme', 'front-end-https', 'x-http-method', 'x-http-method-override',
  'x-method-override', 'x-nextjs-data', 'x-now-route-matches', 'x-middleware-prefetch', 'x-invoke-path', 'x-invoke-status'
]

/** What most requests have, so that their names are not searched for words. */
const USUAL = [
  'host', 'connection', 'user-agent', 'accept', 'accept-encoding', 'accept-language', 'accept-charset', 'cache-control', 'pragma', 'referer', 'origin',
  'content-type', 'if-none-match', 'if-modified-since', 'range', 'te', 'priority', 'dnt', 'upgrade-insecure-requests', 'purpose', 'save-data',
  'sec-ch-ua', 'sec-ch-ua-mobile', 'sec-ch-ua-platform', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site', 'sec-fetch-user', 'sec-gpc',
  'x-forwarded-for', 'x-real-ip', 'x-request-id', 'x-requested-with', 'via', 'traceparent', 'tracestate', ':method', ':path', ':scheme',
  'access-control-request-headers', 'access-control-allow-credentials', 'www-authenticate', 'proxy-authenticate', 'authentication-info',
  'proxy-authentication-info'
]

const ROLES: ReadonlyMap<string, RequestFieldRole> = new Map<string, RequestFieldRole>([
  ...CREDENTIALS.map((name) => [name, 'credential'] as const),
  ...STEERING.map((name) => [name, 'steering'] as const),
  ...USUAL.map((name) => [name, 'none'] as const),
  ['cookie', 'cookie'],
  ['forwarded', 'forwarded'],
  ['content-length', 'content'],
  ['transfer-encoding', 'content'],
  ['upgrade', 'upgrade']
])

export function requestFieldRole (name: string): RequestFieldRole {
  return ROLES.get(name) ?? (CREDENTIAL_WORDS.test(name) ? 'credential' : 'none')
}

/** Whether the value of this field must not be readable in a store or a log. */
export function isSecretField (name: string): boolean {
  const role = requestFieldRole(name)
  return role === 'credential' || role === 'cookie'
}
