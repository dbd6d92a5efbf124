/** What faults of Redis mean for who runs a command, by how their texts begin or what is in them. */
const MEANINGS: ReadonlyArray<readonly [RegExp, string]> = [
  [/ECONNREFUSED/, 'Nobody listens there. Is Redis running, and are host and port right?'],
  [/ENOTFOUND|EAI_AGAIN/, 'There is no such host name here.'],
  [/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|Connection timeout/i, 'Nothing answers there: a firewall, or the wrong network.'],
  [/NOAUTH|WRONGPASS|invalid username-password/i, 'The password, or the user, is missing or wrong: USER:PASSWORD@ stands before the host of the URL, or REDIS_USERNAME and REDIS_PASSWORD are set with REDIS_HOST.'],
  [/NOPERM/, 'The Redis user lacks this right: docs/production.md#a-redis-user-of-its-own.'],
  [/MOVED|CROSSSLOT|CLUSTERDOWN/, 'This server belongs to a Cluster: add --cluster.'],
  [/unknown command '?HELLO/i, 'This server does not speak RESP 3.'],
  [/unknown command '?EVAL/i, 'This server has no scripts: it is a Sentinel, or no Redis. Name the master.'],
  [/READONLY/, 'This is a replica: name the master.'],
  [/LOADING/, 'Redis is reading its data from disk: try again in a moment.'],
  [/CERT|self.signed|unable to verify/i, 'The certificate is not trusted here: name its authority in NODE_EXTRA_CA_CERTS.'],
  [/wrong version number|ECONNRESET|Socket closed/i, 'The connection was closed at once: rediss:// is for TLS, redis:// is without.']
]

/** What to do about a fault, or nothing where nobody knows. */
export function redisFaultMeans (text: string): string {
  return MEANINGS.find(([pattern]) => pattern.test(text))?.[1] ?? ''
}

/** The text of a fault, with that of what caused it. */
export function faultText (fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault)
  const inner = fault instanceof AggregateError ? fault.errors.map(faultText).join('; ') : ''
  const own = fault.message === '' ? inner || fault.name : fault.message
  const cause = fault.cause === undefined ? '' : faultText(fault.cause)
  return cause === '' || own.includes(cause) ? own : `${own}: ${cause}`
}
