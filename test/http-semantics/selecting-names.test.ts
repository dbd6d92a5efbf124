import { brief, everywhere, scene, twoProcesses, type Scene } from './stage.ts'
import { test, type Test } from 'tap'

/** More names than are added up: three kinds of requests with nine names each. */
const KINDS = ['a', 'b', 'c'] as const
const namesOf = (kind: string): string[] => Array.from({ length: 9 }, (_, at) => `x-${kind}${at}`)

/** What a tenant of one kind sends. */
function tenant (kind: string, name: string): Record<string, string> {
  return { [`x-${kind}0`]: name }
}

/** A handler that answers each kind by the names of that kind alone, and all others with what is for all. */
function choosesByKind ({ origin }: Scene): void {
  origin.answers((_run, { headers }, reply) => {
    const kind = KINDS.find((one) => headers[`x-${one}0`] !== undefined)
    reply.header('vary', namesOf(kind ?? 'a').join(', '))
    return kind === undefined ? 'for all' : `secret of ${headers[`x-${kind}0`]}`
  })
}

/** Each tenant gets what is his, and who is none what is for all. `sites` are asked in turn, until what they have is too old and again. */
async function eachHisOwn (t: Test, ...sites: Scene[]): Promise<void> {
  const tenants = ['one', 'two'].flatMap((name) => KINDS.map((kind) => ({ kind, name: `${kind}-${name}` })))
  let asked = 0
  const ask = async (headers: Record<string, string>): Promise<string> => (await sites[asked++ % sites.length]!.ask('/', { headers })).text
  for (let round = 0; round < 2; round++) {
    for (const { kind, name } of [...tenants, ...tenants]) {
      for (let time = 0; time < 3; time++) t.equal(await ask(tenant(kind, name)), `secret of ${name}`, `${name}, round ${round}`)
    }
    t.equal(await ask({}), 'for all', `nobody, round ${round}`)
    sites[0]!.pass(60_000)
  }
}

everywhere('however many names select the responses of a URL, nobody gets that of another', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  choosesByKind(site)
  await eachHisOwn(t, site)
})

everywhere('a tenant whose names come after sixteen others is one of several', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  choosesByKind(site)
  await site.ask('/', { headers: tenant('a', 'first') })
  for (const name of ['one', 'two', 'three']) t.equal(brief(await site.ask('/', { headers: tenant('b', name) })), `200 MISS secret of ${name}`)
  for (const name of ['one', 'two', 'three']) t.equal(brief(await site.ask('/', { headers: tenant('b', name) })), `200 HIT secret of ${name}`)
  t.equal((await site.ask('/')).text, 'for all')
})

test('nor in another process', async (t) => {
  const sites = await twoProcesses(t, {})
  choosesByKind(sites[0])
  await eachHisOwn(t, ...sites)
})

everywhere('names that end in digits are not taken for the length of a value', async (t, cache) => {
  const site = await scene(t, {}, { cache })
  site.origin.answers((_run, { headers: { a, a1, b, 'x-more': more } }, reply) => {
    reply.header('vary', more === undefined ? 'a1, b' : 'a, a1, b')
    return { a, a1, b }
  })
  const ask = async (headers: Record<string, string>): Promise<unknown> => JSON.parse((await site.ask('/', { headers })).text)
  const [one, other] = [{ a1: 'xx', b: 'yyyyy;a1-;b-' }, { a: 'xx;b12:yyyyy' }]
  for (let time = 0; time < 2; time++) t.strictSame(await ask(one), one)
  t.strictSame(await ask({ 'x-more': '1', a1: 'more' }), { a1: 'more' })
  for (let time = 0; time < 2; time++) {
    t.strictSame(await ask(other), other)
    t.strictSame(await ask(one), one)
  }
})
