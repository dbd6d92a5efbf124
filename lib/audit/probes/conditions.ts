import { crossingProbe, type Probe } from '../probe.ts'
import type { Crossing } from '../scene.ts'

/* Requests for a part of a response or for none, and requests that make a handler fail. Others may get neither. */

const CPDOS = 'Nguyen et al., Your Cache Has Fallen (CCS 2019)'

const CONDITIONS = 'Keep 206, 304, 412 and 416 to the requests that asked for them: statusCodes may not name them.'
const ERRORS = 'Do not store errors that a request can cause: leave statusCodes at its default, or name only those that depend on the URL alone.'

const sending = (headers: Record<string, string>): Crossing => ({ attack: () => ({ headers }) })

export const conditions: readonly Probe[] = [
  crossingProbe({ name: 'a 304 is stored', reference: 'RFC 9111 section 4.3.3', severity: 'high', advice: CONDITIONS },
    sending({ 'if-none-match': '*' }), sending({ 'if-none-match': '"1", "a", W/"1"' }), sending({ 'if-modified-since': 'Fri, 31 Dec 2100 23:59:59 GMT' })),
  crossingProbe({ name: 'a 412 is stored', reference: 'RFC 9111 section 3', severity: 'high', advice: CONDITIONS },
    sending({ 'if-match': '"none"' }), sending({ 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' })),
  crossingProbe({ name: 'a part is stored as the whole', reference: 'RFC 9111 section 3.3', severity: 'high', advice: CONDITIONS },
    sending({ range: 'bytes=0-0' }), sending({ range: 'bytes=-1' }), sending({ range: 'bytes=0-0,2-3' }), sending({ range: 'lines=1-2' }), sending({ range: 'bytes=0-0', 'if-range': '"none"' })),
  crossingProbe({ name: 'a 416 is stored', reference: 'RFC 9111 section 3', severity: 'high', advice: CONDITIONS },
    sending({ range: 'bytes=99999999999-' })),
  crossingProbe({ name: 'a 406 is stored', reference: CPDOS, severity: 'high', advice: ERRORS },
    sending({ accept: 'no/such' }), sending({ 'accept-language': 'xx' }), sending({ 'accept-encoding': 'identity;q=0, *;q=0' }), sending({ 'accept-charset': 'none' })),
  crossingProbe({ name: 'an oversize header field breaks the page for others', reference: `${CPDOS}, HHO`, severity: 'high', advice: ERRORS },
    sending({ 'x-oversize': 'x'.repeat(6000) }), sending({ 'user-agent': 'x'.repeat(6000) }), sending(Object.fromEntries(Array.from({ length: 60 }, (_, number) => [`x-many-${number}`, 'x'.repeat(50)])))),
  crossingProbe({ name: 'an oversize cookie breaks the page for others', reference: `${CPDOS}, HHO`, severity: 'high', advice: ERRORS },
    sending({ cookie: `_ga=${'x'.repeat(6000)}` }), sending({ cookie: `sid=${'x'.repeat(6000)}` })),
  crossingProbe({ name: 'strange characters in a header field break the page for others', reference: `${CPDOS}, HMC`, severity: 'high', advice: ERRORS },
    sending({ 'x-metachar': 'a\tb' }), sending({ 'x-metachar': '\u00e9\u00ff' }), sending({ 'x-metachar': '%00%0a"\'<>' }), sending({ 'user-agent': '() { :; };' })),
  crossingProbe({ name: 'a malformed field breaks the page for others', reference: CPDOS, severity: 'high', advice: ERRORS },
    sending({ accept: ';;;,' }), sending({ 'accept-language': ';q=x' }), sending({ origin: 'null' }), sending({ referer: 'http://[' }), sending({ 'x-forwarded-proto': ':' }), sending({ 'x-forwarded-port': 'x' }), sending({ te: 'x' })),
  crossingProbe({ name: 'a request directive changes what others get', reference: 'RFC 9111 section 5.2.1', severity: 'medium', advice: ERRORS },
    ...['no-cache', 'no-store', 'max-age=0', 'only-if-cached', 'no-transform'].map((directive) => sending({ 'cache-control': directive })), sending({ pragma: 'no-cache' }))
]
