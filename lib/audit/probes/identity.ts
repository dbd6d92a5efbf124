import { fieldOf, isServed, type Answer } from '../exchange.ts'
import { crossingProbe, type Probe, withPath } from '../probe.ts'
import type { Crossing, Person, Scene, Variation } from '../scene.ts'

/* Who asks. What one person gets may not reach another one, nor somebody nobody knows. */

const PER_USER = 'Say varyByUser, or varyByHeaders and varyByCookies with what the response depends on; shared: true only where it depends on nobody.'
const HITS_BEHIND_GUARDS = 'Put the guard into a hook of the route or the app, and leave hook at its default "preHandler".'

function credentials (headers: Record<string, string>): Crossing {
  return {
    // In place of, not next to, what a test user has.
    attack: (canary) => ({ headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replaceAll('~', canary)])) })
  }
}

const CREDENTIALS: ReadonlyArray<readonly [name: string, reference: string, ...fields: ReadonlyArray<Record<string, string>>]> = [
  ['Authorization is shared', 'RFC 9111 section 3.5', { authorization: 'Bearer ~' }, { authorization: 'Basic ~' }, { 'proxy-authorization': 'Bearer ~' }],
  ['an API key is shared', 'Hono CVE-2026-44457', { 'x-api-key': '~' }, { 'api-key': '~' }, { 'x-auth-token': '~' }, { 'x-access-token': '~' }],
  ['the identity found by a proxy is shared', 'ASP.NET Core, output caching default policy', { 'x-forwarded-user': '~' }, { 'remote-user': '~' }, { 'x-user-id': '~' }, { 'x-auth-request-email': '~' }],
  ['the identity found by a cloud is shared', 'ASP.NET Core, output caching default policy', { 'x-amzn-oidc-data': '~' }, { 'cf-access-jwt-assertion': '~' }, { 'x-goog-iap-jwt-assertion': '~' }, { 'x-ms-client-principal-name': '~' }],
  ['a client certificate is shared', 'RFC 9440', { 'x-forwarded-client-cert': 'Subject="CN=~"' }, { 'x-ssl-client-dn': 'CN=~' }, { 'client-cert': ':~:' }],
  ['a token against forgery is shared', 'OWASP, Cross-Site Request Forgery Prevention', { 'x-csrf-token': '~' }, { 'x-xsrf-token': '~' }],
  ['a session cookie is shared', 'Django GHSA-3h9f-r86x-qvjx', { cookie: 'sid=~' }, { cookie: '_ga=GA1.2.3; connect.sid=~' }, { cookie: 'lang=~' }, { cookie: '~' }],
  ['a cookie of an analytics service is not in the key', 'Django GHSA-3h9f-r86x-qvjx', { cookie: '_ga=~' }, { cookie: '_fbp=fb.1.~' }]
]

/** Each pair of people, in both orders. */
function pairs ({ people }: Scene): Array<readonly [Person, Person]> {
  return people.flatMap((one) => people.filter((other) => other !== one).map((other) => [one, other] as const))
}

type OfPair = (scene: Scene, pair: readonly [Person, Person]) => Promise<string | undefined>

function pairProbe (about: Omit<Probe, 'run' | 'severity'>, run: OfPair): Probe {
  return {
    ...about,
    severity: 'high',
    async run (scene) {
      for (const pair of pairs(scene)) {
        const evidence = await run(scene, pair)
        if (evidence !== undefined) return evidence
      }
      return undefined
    }
  }
}

const crossing = (change: Partial<Pick<Crossing, 'isTogether'>> & { url?: (url: string) => string }): OfPair => async (scene, [one, other]) => {
  const { isTogether, url } = change
  const of = (as: Person) => (): Variation => ({ as, ...url === undefined ? {} : { url } })
  return await scene.cross({ attack: of(one), victim: of(other), ...isTogether === undefined ? {} : { isTogether } })
}

/** Whether who is refused alone is let in by a response that another one has brought in. */
const skipsGuard: OfPair = async (scene, [one, other]) => {
  const alone = await scene.ask(await scene.freshHost(), { as: other })
  if (alone.status !== 401 && alone.status !== 403) return undefined
  const host = await scene.freshHost()
  await scene.ask(host, { as: one })
  const after = await scene.ask(host, { as: other })
  return after.status < 400 ? `a request that is refused with ${alone.status} got ${after.status} after somebody else had asked` : undefined
}

/** Whether the validator of one is good for another one who gets something else. */
const crossesValidators: OfPair = async (scene, [one, other]) => {
  const host = await scene.freshHost()
  const etag = fieldOf(await scene.ask(host, { as: one }), 'etag')
  if (etag === '') return undefined
  const plain = await scene.ask(host, { as: other })
  const conditional = await scene.ask(host, { as: other, headers: { 'if-none-match': etag } })
  if (conditional.status !== 304 || !isServed(conditional) || plain.body === '' || fieldOf(plain, 'etag') === etag) return undefined
  return `the ETag ${etag} of one user is answered with 304 for another one, whose response has ${fieldOf(plain, 'etag') || 'none'}`
}

/** Endings that caches in front take for files that do not change. */
const SUFFIXES = ['/x.css', ';x.css', '%2Fx.js', '%00x.png', '%3Fx.css', '%23x.css', '/..%2Fstatic%2Fx.css', '.css']

const deceives: OfPair = async (scene, pair) => {
  for (const suffix of SUFFIXES) {
    const evidence = await crossing({ url: withPath((path) => `${path}${suffix}`) })(scene, pair)
    if (evidence !== undefined) return evidence
  }
  return undefined
}

const PAIRS: readonly Probe[] = [
  pairProbe({ name: 'one user gets the response of another', reference: 'RFC 9111 section 3.5', advice: PER_USER }, crossing({})),
  pairProbe({ name: 'who waits gets the response of another user', reference: 'Souin, request coalescing across variants', advice: PER_USER }, crossing({ isTogether: true })),
  pairProbe({ name: 'a hit skips the guard', reference: 'OWASP API5:2023 Broken Function Level Authorization', advice: HITS_BEHIND_GUARDS }, skipsGuard),
  pairProbe({ name: 'the ETag of another user is good', reference: 'RFC 9110 section 13.1.2', advice: PER_USER }, crossesValidators),
  pairProbe({ name: 'web cache deception by path suffix', reference: 'Omer Gil, Web Cache Deception Attack (2017); PortSwigger, Gotta cache \'em all (2024)', advice: PER_USER }, deceives)
]

/** A response to credentials that nobody knows may refuse them; stored, it would refuse others. */
const refusedForOthers: Probe = {
  name: 'wrong credentials lock others out',
  reference: 'Nguyen et al., Your Cache Has Fallen (CCS 2019)',
  severity: 'high',
  advice: 'Keep 401 and 403 out of statusCodes.',
  async run (scene) {
    const plain = await scene.ask(await scene.freshHost())
    const host = await scene.freshHost()
    const refused: Answer = await scene.ask(host, { headers: { authorization: 'Bearer wrong', cookie: 'sid=wrong' } })
    if (refused.status < 400 || plain.status >= 400) return undefined
    const after = await scene.ask(host)
    return isServed(after) && after.status >= 400 ? `a request with wrong credentials made others get ${after.status} from the cache` : undefined
  }
}

export const identity: readonly Probe[] = [
  ...CREDENTIALS.map(([name, reference, ...fields]) => crossingProbe({ name, reference, severity: 'high', advice: PER_USER }, ...fields.map(credentials))),
  refusedForOthers,
  ...PAIRS
]

/** For the cookies that the caller names. */
export function namedCookies (names: readonly string[]): Probe[] {
  return names.map((name) => crossingProbe(
    { name: `the cookie ${name} is not in the key`, reference: 'Django GHSA-3h9f-r86x-qvjx', severity: 'high', advice: `Say varyByCookies: ['${name}'].` },
    credentials({ cookie: `${name}=~` })
  ))
}
