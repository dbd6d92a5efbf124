import { crossingProbe, type Probe, withPath, withQuery } from '../probe.ts'
import { word, type Crossing } from '../scene.ts'

/* Two URLs that are one for the key and two for the handler. */

const ENTANGLEMENT = 'PortSwigger, Web Cache Entanglement (2020)'
const GOTTA = 'PortSwigger, Gotta cache \'em all (2024)'

const QUERY = 'Leave varyByQuery at its default, or name every parameter that the handler reads; an own key has to cover all that the handler reads.'
const PATH = 'An own key has to tell apart every path that the handler can tell apart.'

/** The attacker adds the one, the victim the other. */
function queries (attack: (canary: string) => string, victim?: string): Crossing {
  return {
    attack: (canary) => ({ url: withQuery(attack(canary)) }),
    ...victim === undefined ? {} : { victim: () => ({ url: withQuery(victim) }) }
  }
}

function paths (attack: (path: string, canary: string) => string): Crossing {
  return { attack: (canary) => ({ url: withPath((path) => attack(path, canary)) }) }
}

/** Parameters that pages often have. */
const PARAMETERS = ['q', 'lang', 'page', 'id', 'callback', 'redirect', 'theme']

export const urls: readonly Probe[] = [
  crossingProbe({ name: 'a parameter of the query is not in the key', reference: ENTANGLEMENT, severity: 'high', advice: QUERY },
    ...PARAMETERS.map((name) => queries((canary) => `${name}=${canary}`))),
  crossingProbe({ name: 'a parameter of advertisers is not in the key', reference: ENTANGLEMENT, severity: 'high', advice: QUERY },
    ...['utm_content', 'utm_source', 'fbclid', 'gclid', '_'].map((name) => queries((canary) => `${name}=${canary}`))),
  crossingProbe({ name: 'the whole query is not in the key', reference: ENTANGLEMENT, severity: 'high', advice: QUERY },
    queries((canary) => canary), queries((canary) => `${canary}=1`), queries((canary) => `?${canary}`)),
  crossingProbe({ name: 'parameter cloaking by a semicolon', reference: `${ENTANGLEMENT}; CVE-2021-23336`, severity: 'high', advice: QUERY },
    queries((canary) => `utm_content=1;q=${canary}`, 'utm_content=1'), queries((canary) => `q=1;q=${canary}`, 'q=1')),
  crossingProbe({ name: 'parameter cloaking by a second question mark', reference: ENTANGLEMENT, severity: 'high', advice: QUERY },
    queries((canary) => `utm_content=1?q=${canary}`, 'utm_content=1'), queries((canary) => `q=1?q=${canary}`, 'q=1')),
  crossingProbe({ name: 'a repeated parameter is not in the key', reference: ENTANGLEMENT, severity: 'high', advice: QUERY },
    queries((canary) => `q=1&q=${canary}`, 'q=1'), queries((canary) => `q=${canary}&q=1`, 'q=1')),
  crossingProbe({ name: 'the parts of a nested parameter are not in the key', reference: ENTANGLEMENT, severity: 'high', advice: QUERY },
    queries((canary) => `q=1&q[a]=${canary}`, 'q=1'), queries((canary) => `q[]=${canary}`, 'q=1'), queries((canary) => `q.a=${canary}`, 'q=1')),
  crossingProbe({ name: 'another encoding of a parameter name is not in the key', reference: ENTANGLEMENT, severity: 'high', advice: QUERY },
    queries((canary) => `%71=${canary}`), queries((canary) => `q%5Ba%5D=${canary}`), queries((canary) => `+q=${canary}`), queries((canary) => `q%00=${canary}`), queries((canary) => `Q=${canary}`)),
  crossingProbe({ name: 'delimiters in values make two queries one', reference: 'Litestar CVE-2026-25480', severity: 'high', advice: QUERY },
    queries((canary) => `q=1%26a%3D${canary}`, 'q=1'), queries(() => 'q=1%26a%3D2', 'q=1&a=2'), queries(() => 'q=1%2Ca', 'q=1&q=a')),
  crossingProbe({ name: 'what only a program sends unencoded reaches browsers', reference: ENTANGLEMENT, severity: 'high', advice: QUERY },
    queries(() => 'q=<i>', 'q=%3Ci%3E'), queries(() => 'q="i"', 'q=%22i%22'), queries(() => 'q=\'i\'', 'q=%27i%27')),
  crossingProbe({ name: 'names of the object prototype are parameters', reference: 'CWE-1321', severity: 'high', advice: QUERY },
    queries((canary) => `__proto__=${canary}`), queries((canary) => `constructor=${canary}`), queries((canary) => `__proto__[q]=${canary}`), queries((canary) => `hasOwnProperty=${canary}`)),
  crossingProbe({ name: 'a long query is cut in the key', reference: 'Apache Traffic Server, limits of variants', severity: 'high', advice: QUERY },
    { attack: (canary) => ({ url: withQuery(`q=${LONG}${canary}`) }), victim: () => ({ url: withQuery(`q=${LONG}`) }) }),
  crossingProbe({ name: 'characters that split a response', reference: 'CWE-113', severity: 'high', advice: 'Do not write the query into header fields without checking it.' },
    queries((canary) => `q=%0d%0aset-cookie:%20a=${canary}`), queries((canary) => `q=%E5%98%8A%E5%98%8Dset-cookie:%20a=${canary}`), paths((path, canary) => `${path}%0d%0ax:${canary}`)),
  crossingProbe({ name: 'a method in the query is honoured', reference: 'Nguyen et al., Your Cache Has Fallen (CCS 2019)', severity: 'high', advice: QUERY },
    queries((canary) => `_method=${canary}`), queries((canary) => `x-http-method-override=${canary}`)),

  crossingProbe({ name: 'another case of the path is the same key', reference: 'Cloudflare, cache keys and case', severity: 'medium', advice: PATH }, paths((path) => path.toUpperCase())),
  crossingProbe({ name: 'slashes at the end are the same key', reference: GOTTA, severity: 'medium', advice: PATH },
    paths((path) => `${path}/`), paths((path) => `${path}//`), paths((path) => `/${path}`)),
  crossingProbe({ name: 'an encoded question mark or hash ends the path', reference: GOTTA, severity: 'high', advice: PATH },
    paths((path, canary) => `${path}%3F${canary}`), paths((path, canary) => `${path}%23${canary}`), paths((path, canary) => `${path}%253F${canary}`)),
  crossingProbe({ name: 'a semicolon or comma ends the path', reference: GOTTA, severity: 'high', advice: PATH },
    paths((path, canary) => `${path};${canary}`), paths((path, canary) => `${path}%3B${canary}`), paths((path, canary) => `${path},${canary}`)),
  crossingProbe({ name: 'a null byte or line break ends the path', reference: GOTTA, severity: 'high', advice: PATH },
    paths((path, canary) => `${path}%00${canary}`), paths((path, canary) => `${path}%0A${canary}`), paths((path, canary) => `${path}%09${canary}`)),
  crossingProbe({ name: 'encoded dots and slashes lead elsewhere', reference: GOTTA, severity: 'high', advice: PATH },
    paths((path, canary) => `/${canary}%2F..${path.replaceAll('/', '%2F')}`), paths((path, canary) => `/${canary}/..%2F${path.slice(1)}`), paths((path, canary) => `${path}/..%5C${canary}`), paths((path) => path.replace(/[a-z]/, (char) => `%${char.charCodeAt(0).toString(16)}`))),
  crossingProbe({ name: 'a file ending changes what is cached', reference: 'Omer Gil, Web Cache Deception Attack (2017)', severity: 'high', advice: PATH },
    ...['/~.css', '.~.css', '/~.js', '%2F~.css'].map((suffix) => paths((path, canary) => `${path}${suffix.replace('~', canary)}`)))
]

const LONG = 'x'.repeat(3000)

/** For the parameters that the caller names. */
export function namedParameters (names: readonly string[]): Probe[] {
  return names.map((name) => crossingProbe(
    { name: `the parameter ${name} is not in the key`, reference: ENTANGLEMENT, severity: 'high', advice: QUERY },
    { attack: () => ({ url: withQuery(`${name}=${word()}`) }) }, queries((canary) => `${name}=${canary}`)
  ))
}
