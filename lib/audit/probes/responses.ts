import { requestFieldRole } from '../../http/request-fields.ts'
import { fieldOf, isServed, type Answer } from '../exchange.ts'
import type { Probe } from '../probe.ts'
import type { Scene } from '../scene.ts'

/* What a stored response has to say, and what it may not. */

interface Twice {
  readonly first: Answer
  /** What the cache has sent for the second request. */
  readonly hit: Answer
}

type Check = (twice: Twice) => string | undefined

function checkProbe (about: Omit<Probe, 'run'>, check: Check): Probe {
  return {
    ...about,
    async run (scene) {
      const twice = await askTwice(scene)
      return twice && check(twice)
    }
  }
}

async function askTwice (scene: Scene): Promise<Twice | undefined> {
  const host = await scene.freshHost()
  const first = await scene.ask(host)
  const hit = await scene.ask(host)
  return isServed(hit) ? { first, hit } : undefined
}

const APP = 'Say in the handler whom the response is for; what is stored is for everybody.'

const cacheControl = (directive: RegExp): Check => ({ hit }) => {
  const field = fieldOf(hit, 'cache-control')
  return directive.test(field) ? `a response with Cache-Control: ${field} was sent from the cache` : undefined
}

const repeats: Check = ({ first, hit }) => {
  const cookie = fieldOf(hit, 'set-cookie')
  return cookie !== '' && cookie === fieldOf(first, 'set-cookie') ? `Set-Cookie: ${cookie.split('=', 1)[0]}=… was sent to a second client` : undefined
}

const token: Check = ({ hit }) => {
  const name = Object.keys(hit.headers).find((name) => requestFieldRole(name) === 'credential')
  return name && `the field ${name}, which holds a secret, was sent from the cache`
}

const nonce: Check = ({ first, hit }) => {
  const [one, other] = [first, hit].map((answer) => /'nonce-[^']*'/i.exec(fieldOf(answer, 'content-security-policy'))?.[0])
  return one !== undefined && one === other ? `the same ${one} of Content-Security-Policy was sent twice` : undefined
}

const sameId: Check = ({ first, hit }) => {
  const name = ['x-request-id', 'request-id', 'x-correlation-id', 'traceparent'].find((name) => fieldOf(hit, name) !== '' && fieldOf(hit, name) === fieldOf(first, name))
  return name && `${name}: ${fieldOf(hit, name)} was sent for two requests`
}

const key: Check = ({ hit }) => {
  const name = ['x-cache-key', 'x-cache-date'].find((name) => fieldOf(hit, name) !== '')
  return name && `${name} tells outsiders how keys are made`
}

const star: Check = ({ hit }) => fieldOf(hit, 'vary').includes('*') ? `a response with Vary: ${fieldOf(hit, 'vary')} was sent from the cache` : undefined

const partial: Check = ({ hit }) => {
  return hit.status === 206 || fieldOf(hit, 'content-range') !== '' ? `a ${hit.status} with Content-Range: ${fieldOf(hit, 'content-range')} was sent to a request without Range` : undefined
}

const serverError: Check = ({ hit }) => hit.status >= 500 ? `a ${hit.status} was sent from the cache` : undefined

/** Fields named in Vary select: a response to one value may not answer another one, nor none. */
const varies: Probe = {
  name: 'Vary is ignored',
  reference: 'RFC 9111 section 4.1; http-cache-semantics CVE-2026-93750',
  severity: 'high',
  advice: 'Remove Vary in no hook, and name the field in varyByHeaders.',
  async run (scene) {
    const names = fieldOf(await scene.ask(await scene.freshHost()), 'vary').split(',').map((name) => name.trim().toLowerCase()).filter((name) => /^[\w-]+$/.test(name))
    for (const name of names) {
      for (const value of [(canary: string) => canary, () => '']) {
        const evidence = await scene.cross({ attack: (canary) => ({ headers: { [name]: value(canary) } }) })
        if (evidence !== undefined) return evidence
      }
    }
    return undefined
  }
}

export const responses: readonly Probe[] = [
  varies,
  checkProbe({ name: 'Set-Cookie is sent from the cache', reference: 'Symfony CVE-2022-24894', severity: 'high', advice: 'Set no cookie on cached routes.' }, repeats),
  checkProbe({ name: 'no-store is ignored', reference: 'Hono CVE-2026-24472', severity: 'high', advice: APP }, cacheControl(/no-store/i)),
  checkProbe({ name: 'private is ignored', reference: 'Hono CVE-2026-24472', severity: 'high', advice: APP }, cacheControl(/private/i)),
  checkProbe({ name: 'Vary: * is ignored', reference: 'Django CVE-2026-6907', severity: 'high', advice: APP }, star),
  checkProbe({ name: 'a token in a response field is sent from the cache', reference: 'OWASP, Cross-Site Request Forgery Prevention', severity: 'high', advice: APP }, token),
  checkProbe({ name: 'a nonce is sent twice', reference: 'Content Security Policy Level 3 section 7.1', severity: 'medium', advice: APP }, nonce),
  checkProbe({ name: 'the id of a request is sent twice', reference: 'RFC 9111 section 3.1', severity: 'low', advice: 'Give the id as request.id, or set it in a hook.' }, sameId),
  checkProbe({ name: 'a part is sent as the whole', reference: 'RFC 9111 section 3.3', severity: 'high', advice: APP }, partial),
  checkProbe({ name: 'a server error is sent from the cache', reference: 'Nguyen et al., Your Cache Has Fallen (CCS 2019)', severity: 'medium', advice: 'Keep 5xx out of statusCodes.' }, serverError),
  checkProbe({ name: 'response fields tell the key', reference: 'RFC 9211 section 6', severity: 'low', advice: 'Set debugHeaders in development only.' }, key)
]
