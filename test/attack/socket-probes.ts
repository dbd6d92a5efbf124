import { fieldOf, isServed, textOf, type Answer } from '../../lib/audit/exchange.ts'
import type { RequestOptions } from '../plugin/exchange.ts'
import { CANARY, type Site } from './site.ts'

/* Inputs that only a program sends, byte for byte, to the careless app. */

export interface SiteProbe {
  readonly name: string
  readonly reference: string
  /** What happened, as a sentence; `undefined`: it held. */
  run (site: Site): Promise<string | undefined>
}

const SMUGGLING = 'RFC 9112 section 11.2; PortSwigger, HTTP Desync Attacks (2019)'
const ENTANGLEMENT = 'PortSwigger, Web Cache Entanglement (2020)'
const GOTTA = 'PortSwigger, Gotta cache \'em all (2024)'
const CPDOS = 'Nguyen et al., Your Cache Has Fallen (CCS 2019)'

const END = 'Connection: close\r\n\r\n'

/** A victim who asks for this gets what everybody gets, and nothing of what was sent before. */
async function unharmed (site: Site, path: string, options?: RequestOptions): Promise<string | undefined> {
  for (let time = 0; time < 2; time++) {
    const answer = await site.send(path, options)
    if (textOf(answer).includes(CANARY)) return `${path} was answered with what another request had sent`
    if (answer.status !== 200) return `${path} was answered with ${answer.status}`
  }
  return undefined
}

/** Sends this, then asks as a victim. `~` stands for the canary. */
function after (text: string, path: string, options?: RequestOptions): SiteProbe['run'] {
  return async (site) => {
    await site.raw(text.replaceAll('~', CANARY))
    await site.app.cache.ping()
    return await unharmed(site, path, options)
  }
}

function answers (raw: string): string[] {
  return raw.split(/(?=HTTP\/1\.1 \d{3} )/).filter((answer) => answer.startsWith('HTTP/'))
}

/** Two requests in one write: the answers come in order, and the second one is for the second request. */
async function pipelined (site: Site): Promise<string | undefined> {
  const got = answers(await site.raw(
    `GET /fields HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer ${CANARY}\r\n\r\nGET /fields HTTP/1.1\r\nHost: a.example\r\n${END}`))
  if (got.length !== 2) return `two requests got ${got.length} answers`
  return got[1]!.includes(CANARY) ? 'the second request of a connection got the credentials of the first' : undefined
}

/** Whether a stored response is still there after this. */
function evicting (text: string): SiteProbe['run'] {
  return async (site) => {
    await site.send('/query?kept=1')
    await site.raw(text)
    await site.app.cache.ping()
    return isServed(await site.send('/query?kept=1')) ? undefined : 'a stored response is gone'
  }
}

async function splitting (site: Site): Promise<string | undefined> {
  for (const query of ['q=%0d%0aset-cookie:%20a=b', 'q=%0aset-cookie:%20a=b', 'q=%E5%98%8A%E5%98%8Dset-cookie:%20a=b', 'q=%0d%0a%0d%0aHTTP/1.1%20200%20OK']) {
    const raw = await site.raw(`GET /splits?${query} HTTP/1.1\r\nHost: a.example\r\n${END}`)
    if (/^set-cookie:/im.test(raw) || answers(raw).length !== 1) return `/splits?${query} made a field or an answer of its own`
    if (isServed(await site.send(`/splits?${query}`)) && /\nset-cookie/i.test(textOf(await site.send(`/splits?${query}`)))) return 'a field of the query was stored'
  }
  return await unharmed(site, '/splits')
}

/** A request that a server may refuse, before one that it may not. */
const request = (lines: string, path = '/fields'): string => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n${lines}${END}`

async function brokenOff (site: Site): Promise<string | undefined> {
  await site.send('/broken-stream')
  const again: Answer = await site.send('/broken-stream')
  return isServed(again) ? `half of a response was sent from the cache with ${again.status}` : undefined
}

async function hops (site: Site): Promise<string | undefined> {
  await site.send('/cookies', { headers: { connection: 'cookie, authorization', cookie: `sid=${CANARY}` } })
  await site.send('/fields', { headers: { connection: 'authorization', authorization: `Bearer ${CANARY}` } })
  return await unharmed(site, '/cookies') ?? await unharmed(site, '/fields')
}

async function keepsPathsApart (site: Site): Promise<string | undefined> {
  const paths = ['/files/a:b', '/files/a%3Ab', '/files/a%3ab', '/files/a;b', '/files/a%3Bb', '/files/a,b', '/files/a|b', '/files/a%7Cb', '/files/a%20b', '/files/a+b', '/files/a%2Bb', '/files/a%00b', '/files/%E2%82%AC', '/files/A:B']
  for (const path of paths) {
    const answer = await site.send(path)
    if (isServed(answer)) return `${path} was answered with the response of another path`
  }
  return undefined
}

async function lengths (site: Site): Promise<string | undefined> {
  await site.send('/fields?p', { method: 'HEAD', headers: { 'x-forwarded-host': CANARY } })
  const answer = await site.send('/fields?p')
  return answer.body === '' || answer.body.includes(CANARY) ? 'the body of a GET is that of a HEAD' : undefined
}

async function silentKey (site: Site): Promise<string | undefined> {
  await site.send('/query?secret=1')
  const hit = await site.send('/query?secret=1')
  const telling = Object.keys(hit.headers).find((name) => /(?:^|-)(?:key|tags?|user)(?:-|$)/.test(name)) ?? (/key=/.test(fieldOf(hit, 'cache-status')) ? 'cache-status' : undefined)
  return telling && `${telling} tells of the key`
}

export const socketProbes: readonly SiteProbe[] = [
  { name: 'the target is a whole URL of another host', reference: 'RFC 9112 section 3.2.2', run: after('GET http://~.example/raw-url HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url') },
  { name: 'two Host fields', reference: 'RFC 9112 section 3.2', run: after(request('Host: ~.example\r\n', '/page'), '/page') },
  { name: 'Host with a user in it', reference: 'RFC 9110 section 4.2.4', run: after('GET /page HTTP/1.1\r\nHost: a.example@~.example\r\n' + END, '/page') },
  { name: 'Host with a path in it', reference: 'PortSwigger, Host header attacks', run: after('GET /page HTTP/1.1\r\nHost: a.example/~\r\n' + END, '/page') },
  { name: 'HTTP/1.0 without Host', reference: 'RFC 9112 section 3.2', run: after('GET /link HTTP/1.0\r\nX-Forwarded-Host: ~.example\r\n\r\n', '/link') },
  { name: 'Host with a space before it', reference: 'PortSwigger, Host header attacks', run: after(request(' Host: ~.example\r\n', '/page'), '/page') },
  { name: 'X-Forwarded-Host twice', reference: 'PortSwigger, Practical Web Cache Poisoning (2018)', run: after(request('X-Forwarded-Host: a.example\r\nX-Forwarded-Host: ~.example\r\n', '/link'), '/link') },
  { name: 'Content-Length and Transfer-Encoding', reference: SMUGGLING, run: after(request('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n').replace(END, '\r\n0\r\n\r\nGET /fields HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Host: ~\r\n\r\n'), '/fields') },
  { name: 'Transfer-Encoding with a space before the colon', reference: SMUGGLING, run: after(request('Transfer-Encoding : chunked\r\nX-Forwarded-Host: ~\r\n'), '/fields') },
  { name: 'two lengths', reference: SMUGGLING, run: after(request('Content-Length: 0\r\nContent-Length: 44\r\n') + 'GET /fields HTTP/1.1\r\nX-Forwarded-Host: ~\r\n', '/fields') },
  { name: 'a request in the body of a GET', reference: SMUGGLING, run: after('GET /fat HTTP/1.1\r\nHost: a.example\r\nContent-Type: text/plain\r\nContent-Length: 46\r\n\r\nGET /fat HTTP/1.1\r\nHost: a.example\r\nX-Y: ~\r\n\r\n', '/fat') },
  { name: 'a chunked body of a GET', reference: ENTANGLEMENT, run: after('GET /fat HTTP/1.1\r\nHost: a.example\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n8\r\n~\r\n0\r\n\r\n', '/fat') },
  { name: 'two requests in one write', reference: SMUGGLING, run: pipelined },
  { name: 'a line break inside a field', reference: 'CWE-113', run: after(request('X-A: a\rX-Forwarded-Host: ~\r\n'), '/fields') },
  { name: 'a folded field', reference: 'RFC 9112 section 5.2', run: after(request('X-A: a\r\n X-Forwarded-Host: ~\r\n'), '/fields') },
  { name: 'a field without a name', reference: SMUGGLING, run: after(request(': ~\r\n'), '/fields') },
  { name: 'characters that split a response, byte for byte', reference: 'CWE-113', run: splitting },
  { name: 'a fragment in the target', reference: 'Hono GHSA-crvj-82cr-hjcx', run: after('GET /raw-url#~ HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url') },
  { name: 'a fragment before the query', reference: 'Hono GHSA-crvj-82cr-hjcx', run: after('GET /raw-url#?q=~ HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url?q=') },
  { name: 'dot segments in the target', reference: GOTTA, run: after('GET /~/../raw-url HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url') },
  { name: 'backslashes in the target', reference: GOTTA, run: after('GET /~\\..\\raw-url HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url') },
  { name: 'two slashes before a host', reference: ENTANGLEMENT, run: after('GET //~.example/..//raw-url HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url') },
  { name: 'a null byte in the target', reference: GOTTA, run: after('GET /raw-url\0~ HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url') },
  { name: 'a space in the target', reference: SMUGGLING, run: after('GET /raw-url ~ HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url') },
  { name: 'too long an encoding of a slash', reference: 'CWE-176', run: after('GET /raw-url%c0%af~ HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url') },
  { name: 'bytes above ASCII in the target', reference: 'CWE-176', run: after('GET /raw-url\xe9~ HTTP/1.1\r\nHost: a.example\r\n' + END, '/raw-url') },
  { name: 'paths that decode to the same', reference: 'Litestar CVE-2026-25480', run: keepsPathsApart },
  { name: 'header fields above the limit of the server', reference: `${CPDOS}, HHO`, run: after(request(`X-Big: ${'x'.repeat(20_000)}\r\nX-Forwarded-Host: ~\r\n`), '/fields') },
  { name: 'control characters in a field', reference: `${CPDOS}, HMC`, run: after(request('X-Meta: \x07\x01\r\nX-Forwarded-Host: ~\r\n'), '/fields') },
  { name: 'PURGE by anybody', reference: 'Varnish, purging and access control', run: evicting(`PURGE /query?kept=1 HTTP/1.1\r\nHost: a.example\r\n${END}`) },
  { name: 'an unknown method', reference: CPDOS, run: evicting(`FOO /query?kept=1 HTTP/1.1\r\nHost: a.example\r\n${END}`) },
  { name: 'a method in small letters', reference: CPDOS, run: after('get /fields HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Host: ~\r\n' + END, '/fields') },
  { name: 'TRACE', reference: 'RFC 9110 section 9.3.8', run: after('TRACE /fields HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Host: ~\r\n' + END, '/fields') },
  { name: 'Connection names credentials', reference: 'Nathan Davison, Abusing HTTP hop-by-hop request headers (2019)', run: hops },
  { name: 'an upgrade to h2c', reference: 'h2c smuggling, Bishop Fox (2020)', run: after('GET /fields HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nX-Forwarded-Host: ~\r\n\r\n', '/fields') },
  { name: 'Expect: 100-continue', reference: 'PortSwigger, HTTP/1.1 must die (2025)', run: after(request('Expect: 100-continue\r\nX-Forwarded-Host: ~\r\n'), '/fields') },
  { name: 'a session cookie in a second line', reference: 'RFC 6265 section 5.4', run: after(request('Cookie: _ga=1\r\nCookie: sid=~\r\n', '/cookies'), '/cookies') },
  { name: 'a session cookie behind strange separators', reference: 'PortSwigger, Cookie Chaos (2025)', run: after(request('Cookie: $Version=1; _ga="1; sid=~"; , x=~\r\n', '/cookies'), '/cookies') },
  { name: 'half a stream', reference: 'ASP.NET Core, output caching', run: brokenOff },
  { name: 'the length of a HEAD', reference: 'Nitro GHSA-39r7-wfcx-99xg', run: lengths },
  { name: 'header fields tell the key', reference: 'RFC 9211 section 6', run: silentKey }
]
