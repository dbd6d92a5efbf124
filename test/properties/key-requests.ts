import fc, { type Arbitrary } from 'fast-check'

/** All that two requests may differ in. Header fields by their names, as Node joins their lines. */
export interface Asked {
  readonly method: 'GET' | 'HEAD'
  /** What follows in the path. */
  readonly end: string
  /** The pairs of the query as they are sent; `undefined`: without a question mark. */
  readonly pairs: readonly string[] | undefined
  readonly host: string
  readonly encrypted: boolean
  readonly user: unknown
  readonly body: unknown
  readonly fields: Readonly<Record<string, string | undefined>>
}

const NAMES = ['a', 'b', 'z', 'A', '%61', 'a%62', 'a[b]', 'a%5Bb%5D', 'a.b', 'a[]', '', 'é', '<']
const VALUES = ['', '1', '2', '%31', '+', '%20', '%2B', '1,2', '=', '%3D', '<', '%3C', '"', "'", '%', '%zz', 'é', '%C3%A9', '%c3%a9', '\ud83d\ude00', '/', ':', ';b=1', '#']
const pair = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom('a', 'b', 'z'), fc.constantFrom('', '1', '2', '%31')).map(([name, value]) => `${name}=${value}`) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES)).map(([name, value]) => `${name}=${value}`) },
  { weight: 1, arbitrary: fc.constantFrom('a', 'b', '', '=', 'a=1=2', '__proto__=1', 'constructor=1') }
)

const line = fc.constantFrom('', 'x', 'X', 'x, y', 'x,y', 'y', '"x"', '-', '1:x')
/** Absent, one line, or several. */
const field: Arbitrary<string | undefined> = fc.oneof(fc.constant(undefined), line, fc.array(line, { minLength: 2, maxLength: 3 }).map((lines) => lines.join(', ')))
const cookie = fc.constantFrom('c=1', 'c=2', 'c=', 'c', 'c="1"', 'C=1', 'd=1', 'sid=1', 'sid=2', 'sid=1;c=1', ' c = 1 ', 'c=1=2', '_ga=1', 'c=\u00a01', '')
const steering = fc.option(fc.constantFrom('b.example', 'a.example', '', '/x'), { nil: undefined, freq: 3 })

const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, fc.constantFrom(null, true, false, 0, -0, 1, 1.5, '', '1', 'a', 'é', 's1:a'), fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(fc.constantFrom('a', 'b', '', '1:a'), tie('value'), { maxKeys: 3 }))
})).value

const FIELDS = {
  'x-a': field,
  'accept-language': fc.option(fc.constantFrom('de', 'en', ''), { nil: undefined }),
  authorization: fc.option(fc.constantFrom('Bearer 1', 'Bearer 2', ''), { nil: undefined, freq: 3 }),
  cookie: fc.option(fc.array(cookie, { maxLength: 3 }).map((list) => list.join('; ')), { nil: undefined }),
  'x-forwarded-host': steering,
  'x-forwarded-proto': fc.option(fc.constantFrom('https', 'http'), { nil: undefined, freq: 3 }),
  'x-original-url': steering,
  'x-http-method-override': steering
}

const asked: Arbitrary<Asked> = fc.record({
  method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD'),
  end: fc.constantFrom('', '', '', 'a', 'A', '%61', '%2F', 'a%2Fb', ';a', '.', '%2e', '/', 'a/', '%C3%A9', '%c3%a9', 'é', "'", '<', ':id'),
  pairs: fc.option(fc.array(pair, { maxLength: 4 }), { nil: undefined }),
  host: fc.constantFrom('a.example', 'a.example', 'A.example', 'b.example', 'a.example:80', 'a.example:8080'),
  encrypted: fc.boolean(),
  user: fc.constantFrom<unknown[]>(undefined, 7, '7', 'ann', 0, '', { id: 7 }, { id: '7' }, { sub: '7' }, { sub: 7 }, { sub: '7', iss: 'i' }, { sub: '7', iss: '' }, { sub: 'i7' }, { sub: '7i', iss: '' }, {}),
  body: json,
  fields: fc.record(FIELDS)
})

type Edit = (before: Asked, other: Asked, at: number) => Asked

const EDITS: Record<string, Edit> = {
  nothing: (before) => before,
  method: (before, { method }) => ({ ...before, method }),
  path: (before, { end }) => ({ ...before, end }),
  query: (before, { pairs }) => ({ ...before, pairs }),
  'one more parameter': (before, { pairs }) => ({ ...before, pairs: [...before.pairs ?? [], ...pairs?.slice(0, 1) ?? ['']] }),
  'one parameter less': (before, _other, at) => ({ ...before, pairs: before.pairs?.filter((_, index) => index !== at) }),
  'another order': (before) => ({ ...before, pairs: before.pairs?.toReversed() }),
  'another encoding': (before) => ({ ...before, pairs: before.pairs?.map((text) => text.replace('1', '%31').replace('a', '%61')) }),
  'an empty query': (before) => ({ ...before, pairs: before.pairs ?? [] }),
  host: (before, { host }) => ({ ...before, host }),
  protocol: (before, { encrypted }) => ({ ...before, encrypted }),
  user: (before, { user }) => ({ ...before, user }),
  body: (before, { body }) => ({ ...before, body }),
  fields: (before, { fields }, at) => {
    const name = Object.keys(FIELDS)[at % Object.keys(FIELDS).length]!
    return { ...before, fields: { ...before.fields, [name]: fields[name] } }
  },
  'order of fields': (before) => ({ ...before, fields: Object.fromEntries(Object.entries(before.fields).toReversed()) })
}

const edit = fc.tuple(fc.constantFrom(...Object.keys(EDITS), 'fields', 'fields', 'query', 'user'), asked, fc.nat(20))

/** A request, and others that are the same but for a thing or two, or for nothing. */
export const similar: Arbitrary<Asked[]> = fc.tuple(asked, fc.array(fc.array(edit, { maxLength: 2 }), { minLength: 1, maxLength: 4 })).map(([first, others]) => {
  return [first, ...others.map((edits) => edits.reduce((before, [name, other, at]) => EDITS[name]!(before, other, at), first))]
})

/** The query as it is sent. */
export function queryText ({ pairs }: Pick<Asked, 'pairs'>): string {
  return pairs === undefined ? '' : `?${pairs.join('&')}`
}
