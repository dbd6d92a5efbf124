import fc from 'fast-check'
import { test } from 'tap'
import { cookieValues, hasSessionCookie, parseCookies } from '../../lib/http/cookies.ts'

test('cookies are read as they were sent, in order, repeated ones too (RFC 6265 section 4.2)', async (t) => {
  const table: Record<string, Array<[string, string]>> = {
    '': [],
    ';': [],
    ' ; ; ': [],
    'a=1': [['a', '1']],
    'a=1; b=2': [['a', '1'], ['b', '2']],
    'a=1;b=2': [['a', '1'], ['b', '2']],
    ' a = 1 ;\tb=2 ': [['a', '1'], ['b', '2']],
    'a=1; a=2': [['a', '1'], ['a', '2']],
    'a=': [['a', '']],
    'a=b=c': [['a', 'b=c']],
    a: [['', 'a']],
    '=a': [['', 'a']],
    'a="1; b=2"': [['a', '"1'], ['b', '2"']],
    'a=%3B': [['a', '%3B']],
    'a=1,b=2': [['a', '1,b=2']],
    '__proto__=1': [['__proto__', '1']]
  }
  for (const [field, cookies] of Object.entries(table)) t.strictSame(parseCookies(field), cookies, JSON.stringify(field))
})

test('a cookie that is not known to be for analytics may be a session (Django GHSA-3h9f-r86x-qvjx)', async (t) => {
  const analytics = [
    '_ga', '_ga_AB12CD', '_gid', '_gat', '_gat_gtag_UA_1', '_gcl_au', '__utma', '__utmz', '_fbp', '_fbc', '_hjid', '_hjSessionUser_1', '_pk_id.1.1fff', '_pk_ses.1.1fff', '_clck', '_clsk', '_uetsid', '_uetvid', 'ajs_anonymous_id', 'mp_1_mixpanel', '__cf_bm', 'AWSALB', 'AWSALBCORS', 'AWSALBTG', 'AWSALBTGCORS'
  ]
  const sessions = [
    'sid', 'session', 'connect.sid', 'PHPSESSID', 'JSESSIONID', 'sessionId', 'token', 'jwt', 'csrftoken', 'XSRF-TOKEN', '__Host-sid', '__Secure-sid', 'remember_me', 'cart', 'lang', '_session', '_gax', '_gaid', 'x_ga', '_GA', '_ga ', '__utm', 'xAWSALB', 'awsalb', 'AWSALBX',
    'cf_clearance', 'CF_Authorization', '__proto__', 'mp_mixpanel_x', '_fbpx', '_pk_', '', '_', 'ga', 'JSESSIONID_ga', '_oauth2_proxy', 'next-auth.session-token', 'sb-access-token'
  ].filter((name) => name.trim() === name)
  for (const name of analytics) t.notOk(hasSessionCookie(`${name}=1`, []), name)
  for (const name of sessions) t.ok(hasSessionCookie(`${name}=1`, []), name)
})

test('one session among others is found wherever it stands (Django GHSA-3h9f-r86x-qvjx)', async (t) => {
  const harmless = fc.constantFrom('_ga=1', '_gid=a=b', '_fbp=', '', ' ', '__cf_bm=x')
  fc.assert(fc.property(fc.array(harmless), fc.constantFrom('sid=1', 'sid=', 'sid', ' sid=1', '_ga-x=1', 'SID=_ga'), fc.array(harmless), fc.constantFrom(';', '; ', ' ;\t'), (before, session, after, separator) =>
    hasSessionCookie([...before, session, ...after].join(separator), []) && !hasSessionCookie([...before, ...after].join(separator), [])), { numRuns: 5000 })
  t.pass('5000 fields')
})

test('cookies that the key covers are no reason to bypass, others are', async (t) => {
  t.notOk(hasSessionCookie('sid=1', ['sid']))
  t.notOk(hasSessionCookie('sid=1; _ga=2; lang=de', ['lang', 'sid']))
  t.ok(hasSessionCookie('sid=1; role=admin', ['sid']))
  t.ok(hasSessionCookie('SID=1', ['sid']))
  t.ok(hasSessionCookie('sid2=1', ['sid']))
  t.ok(hasSessionCookie('sid=1', ['constructor']))
})

test('all values of a cookie select, in their order', async (t) => {
  t.strictSame(cookieValues(undefined, 'a'), [])
  t.strictSame(cookieValues('', 'a'), [])
  t.strictSame(cookieValues('a=', 'a'), [''])
  t.strictSame(cookieValues('a=1; b=2; a=3', 'a'), ['1', '3'])
  t.strictSame(cookieValues('A=1', 'a'), [])
  t.strictSame(cookieValues('xa=1; a.b=2', 'a'), [])
})
