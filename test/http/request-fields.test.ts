import { test } from 'tap'
import { isSecretField, requestFieldRole } from '../../lib/http/request-fields.ts'

const CREDENTIALS = [
  'authorization', 'proxy-authorization', 'x-authorization', 'dpop', 'api-key', 'apikey', 'x-api-key', 'x-apikey', 'x-auth-token', 'x-access-token', 'x-token', 'x-auth-key', 'x-access-key', 'x-id-token', 'x-session-id', 'x-session-token',
  'x-csrf-token', 'x-xsrf-token', 'x-jwt', 'x-jwt-assertion', 'x-user', 'x-user-id', 'x-user-email', 'x-username', 'x-userinfo', 'x-auth-user', 'x-auth-username', 'x-remote-user', 'remote-user', 'remote-email', 'x-forwarded-user', 'x-forwarded-email',
  'x-forwarded-groups', 'x-forwarded-preferred-username', 'x-forwarded-access-token', 'x-forwarded-client-cert', 'x-client-cert', 'x-ssl-client-cert', 'x-ssl-client-dn', 'x-auth-request-user', 'x-auth-request-email', 'x-authenticated-userid', 'x-webauth-user',
  'x-consumer-id', 'x-credential-identifier', 'x-amzn-oidc-identity', 'x-amzn-oidc-data', 'x-amz-security-token', 'x-goog-api-key', 'x-goog-authenticated-user-id', 'x-goog-iap-jwt-assertion', 'x-ms-client-principal', 'x-ms-client-principal-name', 'x-ms-token-aad-id-token',
  'ocp-apim-subscription-key', 'x-functions-key', 'x-rapidapi-key', 'private-token', 'x-vault-token', 'x-shopify-access-token', 'x-hasura-admin-secret', 'x-pomerium-jwt-assertion', 'x-authentik-username', 'cf-access-jwt-assertion', 'tailscale-user-login'
]

const STEERING = [
  'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-scheme', 'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-server', 'x-original-url', 'x-original-host', 'x-rewrite-url', 'x-host', 'x-http-method', 'x-http-method-override', 'x-method-override', 'x-now-route-matches', 'x-nextjs-data'
]

/** What browsers, proxies and caches send with everybody's requests: with one of these as a credential nothing would ever be shared. */
const HARMLESS = [
  'host', 'user-agent', 'accept', 'accept-encoding', 'accept-language', 'cache-control', 'pragma', 'connection', 'referer', 'origin', 'range', 'if-none-match', 'if-modified-since', 'if-match', 'content-type', 'dnt', 'priority', 'te', 'upgrade-insecure-requests', 'save-data',
  'sec-fetch-user', 'sec-fetch-mode', 'sec-fetch-dest', 'sec-fetch-site', 'sec-ch-ua', 'sec-ch-ua-mobile', 'sec-ch-ua-platform', 'sec-ch-ua-full-version-list', 'sec-ch-prefers-color-scheme', 'sec-gpc', 'x-forwarded-for', 'x-real-ip', 'via', 'cf-ray', 'cf-connecting-ip', 'cf-ipcountry',
  'x-request-id', 'x-correlation-id', 'x-amzn-trace-id', 'x-cloud-trace-context', 'traceparent', 'tracestate', 'x-requested-with', 'accept-version', 'expect', 'idempotency-key', 'purpose', 'x-purpose', 'cdn-loop', 'x-envoy-attempt-count', 'x-client-version', 'access-control-request-method', 'access-control-request-headers'
]

test('fields that say who asks are credentials, and secrets (RFC 9111 section 3.5)', async (t) => {
  for (const name of CREDENTIALS) {
    t.equal(requestFieldRole(name), 'credential', name)
    t.ok(isSecretField(name), name)
  }
  t.equal(requestFieldRole('cookie'), 'cookie')
  t.ok(isSecretField('cookie'))
})

test('fields that steer a request are steering, and no secrets (Symfony CVE-2021-41267, Next.js CVE-2024-46982)', async (t) => {
  for (const name of STEERING) {
    t.equal(requestFieldRole(name), 'steering', name)
    t.notOk(isSecretField(name), name)
  }
})

test('fields of a body or of another protocol are known as such (PortSwigger, fat GET)', async (t) => {
  t.equal(requestFieldRole('content-length'), 'content')
  t.equal(requestFieldRole('transfer-encoding'), 'content')
  t.equal(requestFieldRole('upgrade'), 'upgrade')
})

test('Forwarded has a role of its own: some of its parts steer, and it is no secret (RFC 7239)', async (t) => {
  t.equal(requestFieldRole('forwarded'), 'forwarded')
  t.notOk(isSecretField('forwarded'))
})

test('what everybody sends has no role', async (t) => {
  for (const name of [...HARMLESS, '', '__proto__', 'constructor', 'toString']) {
    t.equal(requestFieldRole(name), 'none', name)
    t.notOk(isSecretField(name), name)
  }
})

test('a name of any length is judged in time (denial of service)', async (t) => {
  const names = ['a'.repeat(16_000), '-'.repeat(16_000), 'a-'.repeat(8000), 'user'.repeat(4000), '-user'.repeat(3000), `${'token'.repeat(3000)}x`, 'apiapi'.repeat(2500), `x-${'auth'.repeat(4000)}x`]
  const since = performance.now()
  for (const name of names) requestFieldRole(name)
  const ms = performance.now() - since
  t.ok(ms < 1000, `${ms} ms`)
})
