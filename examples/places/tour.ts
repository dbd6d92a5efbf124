/** A request worth trying, and what the cache should say to it. */
export interface Stop {
  title: string
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  /** Whose token to send. */
  user?: string
  body?: object
  /** `X-Cache` of the first and of every later response. */
  expect: 'MISS then HIT' | 'always BYPASS'
}

const ZURICH = 2657896
const BERLIN = 2950159
const TOKYO = 1850147

/** One request for every situation that the example covers. */
export const tour: Stop[] = [
  { title: 'behind a login, the same for everyone, 1 h', path: '/countries/US/areas', user: 'ada', expect: 'MISS then HIT' },
  { title: 'ranked search, chosen query parameters, 5 min', path: '/places?q=san&minPopulation=1000&utm_source=mail', expect: 'MISS then HIT' },
  { title: 'search around a point', path: '/places?lat=47.4&lon=8.5&sort=distance&minPopulation=10000', expect: 'MISS then HIT' },
  { title: 'one place, 24 h', path: `/places/${ZURICH}`, expect: 'MISS then HIT' },
  { title: 'own list, per user, 1 h', path: '/me/saved', user: 'ada', expect: 'MISS then HIT' },
  { title: 'the list of someone else', path: '/me/saved', user: 'grace', expect: 'MISS then HIT' },
  {
    title: 'computed by POST, by its body, 5 min',
    method: 'POST',
    path: '/valuations',
    body: { country: 'US', lat: 40.7, lon: -74, reachKm: 20 },
    expect: 'MISS then HIT'
  },
  { title: 'binary: a heat map, 1 h', path: '/countries/IT/map.png', expect: 'MISS then HIT' },
  { title: 'with a token the map does not ask for', path: '/countries/IT/map.png', user: 'ada', expect: 'always BYPASS' },
  { title: 'a stream, row by row, 1 h', path: '/countries/US/places.csv', expect: 'MISS then HIT' },
  { title: 'a report, 15 min', path: '/reports/quality', user: 'ada', expect: 'MISS then HIT' },
  { title: 'the report for an admin, always fresh', path: '/reports/quality', user: 'root', expect: 'always BYPASS' },
  { title: 'a past year, until midnight', path: '/countries/US/history/1990', expect: 'MISS then HIT' },
  { title: 'the current year, 1 min', path: `/countries/US/history/${new Date().getUTCFullYear()}`, expect: 'MISS then HIT' },
  { title: 'a conversation, per user, 3 s', path: `/places/${ZURICH}/messages`, user: 'grace', expect: 'MISS then HIT' }
]

/** What the users of the tour have done before: without it their lists and the conversation are empty. */
export const beforeTour: Stop[] = [
  ...[ZURICH, BERLIN, TOKYO].map((id): Stop => ({ title: 'save', method: 'PUT', path: `/me/saved/${id}`, user: 'ada', expect: 'always BYPASS' })),
  { title: 'save', method: 'PUT', path: `/me/saved/${TOKYO}`, user: 'grace', expect: 'always BYPASS' },
  {
    title: 'write',
    method: 'POST',
    path: `/places/${ZURICH}/messages`,
    user: 'ada',
    body: { text: 'Does the market by the lake open on Sundays?' },
    expect: 'always BYPASS'
  }
]

/** A write, and what must not be read as it was before. */
export interface Change {
  read: Stop
  write: Stop
}

/** What a user of the tour does after it: the list is cached for an hour, and the next read is new all the same. */
export const change: Change = {
  read: { title: 'own list', path: '/me/saved', user: 'ada', expect: 'MISS then HIT' },
  write: { title: 'no longer saved', method: 'DELETE', path: `/me/saved/${TOKYO}`, user: 'ada', expect: 'always BYPASS' }
}

/** The command that sends a stop to a server. */
export function curl ({ method = 'GET', path, user, body }: Stop, origin: string): string {
  // Bytes and long text go to a file, and only the header to the terminal.
  const file = /[^/]+\.(png|csv)$/.exec(path)?.[0]
  return [
    file === undefined ? 'curl -i' : `curl -s -D - -o ${file}`,
    method !== 'GET' && body === undefined && `-X ${method}`,
    user !== undefined && `-H 'Authorization: Bearer ${user}'`,
    body !== undefined && `-H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`,
    `'${origin}${path}'`
  ].filter(Boolean).join(' ')
}
