const CERTIFICATE = /(?:SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|CERT_)|self.signed|unable to (?:verify|get)|altnames/i
const NO_TLS = /wrong version number|packet length too long/i
/** What the server says of it may be lost in the end of the connection. */
const WANTS_CERTIFICATE = 'server wants a certificate of its clients, which cannot be given here: use --admin'
const UNTRUSTED = 'The certificate is not trusted here: name its authority in NODE_EXTRA_CA_CERTS, and the host as the certificate does.'

/** What faults of Redis mean for who runs a command, by how their texts begin or what is in them. */
const MEANINGS: ReadonlyArray<readonly [RegExp, string]> = [
  [/ECONNREFUSED/, 'Nobody listens there. Is Redis running, and are host and port right?'],
  [/ENOTFOUND|EAI_AGAIN/, 'There is no such host name here.'],
  [/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|Connection timeout/i, 'Nothing answers there: a firewall, or the wrong network.'],
  [/NOAUTH|WRONGPASS|invalid username-password/i, 'The password, or the user, is missing or wrong: USER:PASSWORD@ stands before the host of the URL, or REDIS_USERNAME and REDIS_PASSWORD are set with REDIS_HOST.'],
  [/NOPERM/, 'The Redis user lacks this right, or --prefix is not that of the app: docs/production.md#a-redis-user-of-its-own.'],
  [/MOVED|CROSSSLOT/, 'This server belongs to a Cluster: add --cluster.'],
  [/CLUSTERDOWN/, 'The Cluster lacks masters: look at CLUSTER NODES.'],
  [/cluster support disabled/i, 'This server belongs to no Cluster: leave --cluster out.'],
  [/No such master with that name|unknown command ['`]?SENTINEL/i, 'With --sentinel, host and port are those of a Sentinel, and the name is the one that it has for the master.'],
  [/unknown command ['`]?HELLO/i, 'This server does not speak RESP 3: use --admin.'],
  [/unknown command ['`]?(?:EVAL|PTTL)/i, 'If this is a Sentinel, add --sentinel with the name of the master.'],
  [/unknown command ['`]?ZMSCORE/i, 'This Redis is older than 6.2.'],
  [/READONLY/, 'This is a replica: name the master.'],
  [/DB index is out of range/i, 'There is no such database: its number stands behind the host of the URL, or in REDIS_DB.'],
  [/LOADING/, 'Redis is reading its data from disk: try again in a moment.'],
  [CERTIFICATE, UNTRUSTED],
  [/certificate required|handshake failure/i, `The ${WANTS_CERTIFICATE}.`],
  [/no answer within|said nothing for/i, 'A server that is busy or frozen, a slow network, or one without TLS where rediss:// asks for it.'],
  [/Unknown RESP type/, 'What answers there is no Redis.'],
  [NO_TLS, 'This server speaks no TLS: leave the second s of rediss:// out.'],
  [/ECONNRESET|Socket closed/i, `The connection was closed at once: rediss:// is for TLS, redis:// is without. Or the ${WANTS_CERTIFICATE}.`]
]

/** What it is that Redis cannot be used for, and what to do about it. */
export function whyUnusable (name: string, fault: unknown): string {
  const text = faultText(fault)
  return `cannot use ${name}: ${text.replace(/\.+$/, '')}. ${redisFaultMeans(text)}`.trim()
}

/** What to do about a fault, or nothing where nobody knows. */
export function redisFaultMeans (text: string): string {
  return MEANINGS.find(([pattern]) => pattern.test(text))?.[1] ?? ''
}

/** The same for any server with TLS. */
export function tlsFaultMeans (text: string): string | undefined {
  return CERTIFICATE.test(text) ? UNTRUSTED : NO_TLS.test(text) ? 'This server speaks no TLS: write http:// in place of https://.' : undefined
}

/** A server may repeat what it was sent, `AUTH` and the password among it, or the beginning of it. */
const REPEATED = /,? with args beginning with:.*/s

/** The text of a fault, with that of what caused it. */
export function faultText (fault: unknown): string {
  return wholeText(fault).replace(REPEATED, '').trim()
}

function wholeText (fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault)
  const inner = fault instanceof AggregateError ? fault.errors.map(wholeText).join('; ') : ''
  const own = fault.message === '' ? inner || fault.name : fault.message
  const cause = fault.cause === undefined ? '' : wholeText(fault.cause)
  return cause === '' || own.includes(cause) ? own : `${own}: ${cause}`
}
