import { crossingProbe, type Probe } from '../probe.ts'

/* One method in place of another, and bodies where none belong. */

const ENTANGLEMENT = 'PortSwigger, Web Cache Entanglement (2020)'
const CPDOS = 'Nguyen et al., Your Cache Has Fallen (CCS 2019)'

const METHOD = 'Do not let header fields or parameters choose the method of a cached route.'
const BODY = 'Do not read the body of a GET; an own key has to tell methods apart.'

export const methods: readonly Probe[] = [
  crossingProbe({ name: 'HEAD fills the entry of GET', reference: 'Nitro GHSA-39r7-wfcx-99xg', severity: 'high', advice: BODY },
    { attack: () => ({ method: 'HEAD' }) }, { attack: (canary) => ({ method: 'HEAD', headers: { 'x-forwarded-host': `${canary}.example` } }) }),
  crossingProbe({ name: 'GET and HEAD at once', reference: 'Nitro GHSA-39r7-wfcx-99xg', severity: 'high', advice: BODY },
    { attack: () => ({ method: 'HEAD' }), isTogether: true }),
  crossingProbe({ name: 'OPTIONS fills the entry of GET', reference: 'RFC 9110 section 9.3.7', severity: 'high', advice: BODY },
    { attack: (canary) => ({ method: 'OPTIONS', headers: { origin: `https://${canary}.example`, 'access-control-request-method': 'GET' } }) }, { attack: () => ({ method: 'OPTIONS' }) }),
  crossingProbe({ name: 'the body of a GET is not in the key', reference: ENTANGLEMENT, severity: 'high', advice: BODY },
    { attack: (canary) => ({ headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `q=${canary}` }) },
    { attack: (canary) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify({ q: canary }) }) },
    { attack: (canary) => ({ headers: { 'content-type': 'text/plain' }, body: canary }) }),
  crossingProbe({ name: 'the body of a HEAD is not in the key', reference: ENTANGLEMENT, severity: 'high', advice: BODY },
    { attack: (canary) => ({ method: 'HEAD', headers: { 'content-type': 'text/plain' }, body: canary }) }),
  crossingProbe({ name: 'a header field overrides the method', reference: CPDOS, severity: 'high', advice: METHOD },
    // No method that could change anything.
    ...['x-http-method-override', 'x-http-method', 'x-method-override'].flatMap((name) => [
      { attack: (canary: string) => ({ headers: { [name]: canary.toUpperCase() } }) },
      { attack: () => ({ headers: { [name]: 'HEAD' } }) },
      { attack: () => ({ headers: { [name]: 'OPTIONS' } }) }
    ])),
  crossingProbe({ name: 'a request for another protocol is answered for all', reference: 'h2c smuggling, Bishop Fox (2020)', severity: 'high', advice: 'Answer upgrades in a route of their own.' },
    { attack: (canary) => ({ headers: { upgrade: canary, connection: 'upgrade' } }) },
    { attack: () => ({ headers: { upgrade: 'websocket', connection: 'upgrade', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' } }) }),
  crossingProbe({ name: 'a Content-Type without a body is not in the key', reference: CPDOS, severity: 'medium', advice: BODY },
    { attack: (canary) => ({ headers: { 'content-type': `application/${canary}` } }) }, { attack: () => ({ headers: { 'content-type': 'application/json; charset="' } }) })
]

/** Only where the caller allows other methods than safe ones. */
export const unsafeMethods: readonly Probe[] = [
  crossingProbe({ name: 'POST fills the entry of GET', reference: 'undici CVE-2026-85008', severity: 'high', advice: BODY },
    { attack: (canary) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ q: canary }) }) },
    { attack: (canary) => ({ method: 'POST', headers: { 'content-type': 'text/plain', 'x-http-method-override': 'GET' }, body: canary }) })
]
