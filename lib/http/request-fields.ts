/*
 * Request header fields that decide how a request may use a shared cache.
 *
 * - credential: says who asks. RFC 9111 section 3.5 names Authorization; the others are how API keys and the identity
 *   that an authenticating proxy has found are passed on.
 * - steering: routing fields that frameworks and handlers reflect into responses, the classic unkeyed inputs of cache
 *   poisoning (CVE-2021-41267, CVE-2024-46982). They become part of the key whenever they are present.
 */
export type RequestFieldRole = 'credential' | 'cookie' | 'steering' | 'content' | 'upgrade'

const ROLES: ReadonlyMap<string, RequestFieldRole> = new Map([
  ...[
    'authorization', 'proxy-authorization', 'api-key', 'apikey', 'x-api-key', 'x-apikey', 'x-auth-token', 'x-access-token',
    'x-id-token', 'x-session-id', 'x-session-token', 'x-csrf-token', 'x-xsrf-token', 'x-user', 'x-user-id', 'x-userinfo',
    'x-forwarded-user', 'x-forwarded-email', 'x-forwarded-groups', 'x-forwarded-preferred-username', 'x-forwarded-access-token',
    'x-auth-request-user', 'x-auth-request-email', 'x-auth-request-access-token', 'x-authenticated-user', 'x-authenticated-userid',
    'x-remote-user', 'remote-user', 'x-webauth-user', 'x-consumer-id', 'x-credential-identifier', 'x-client-cert', 'x-forwarded-client-cert',
    'x-ssl-client-cert', 'x-ssl-client-dn', 'x-amzn-oidc-identity', 'x-amzn-oidc-data', 'x-amzn-oidc-accesstoken',
    'x-goog-authenticated-user-email', 'x-goog-authenticated-user-id', 'x-goog-iap-jwt-assertion', 'x-ms-client-principal',
    'x-ms-client-principal-id', 'x-ms-token-aad-access-token', 'x-ms-token-aad-id-token', 'cf-access-jwt-assertion',
    'cf-access-authenticated-user-email', 'tailscale-user-login'
  ].map((name) => [name, 'credential'] as const),
  ...[
    'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-protocol', 'x-forwarded-scheme', 'x-forwarded-port', 'x-forwarded-prefix',
    'x-forwarded-path', 'x-forwarded-uri', 'x-forwarded-server', 'x-forwarded-ssl', 'x-original-host', 'x-original-url', 'x-original-uri',
    'x-rewrite-url', 'x-host', 'x-scheme', 'x-url-scheme', 'front-end-https', 'x-http-method', 'x-http-method-override',
    'x-method-override', 'x-nextjs-data', 'x-now-route-matches', 'x-middleware-prefetch', 'x-invoke-path', 'x-invoke-status'
  ].map((name) => [name, 'steering'] as const),
  ['cookie', 'cookie'],
  ['content-length', 'content'],
  ['transfer-encoding', 'content'],
  ['upgrade', 'upgrade']
])

export function requestFieldRole (name: string): RequestFieldRole | undefined {
  return ROLES.get(name)
}

/** Whether the value of this field must not be readable in a store or a log. */
export function isSecretField (name: string): boolean {
  const role = ROLES.get(name)
  return role === 'credential' || role === 'cookie'
}
