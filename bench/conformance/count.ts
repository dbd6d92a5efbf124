/** What a test is for: what HTTP requires, what makes a good cache, and what only describes one. */
export type Kind = 'required' | 'optimal' | 'check'

export const kinds: readonly Kind[] = ['required', 'optimal', 'check']

/** A test, as far as counting goes. */
export interface CacheTest {
  readonly id: string
  readonly name: string
  /** Default `'required'`. */
  readonly kind?: Kind
  /** Tests without which this one shows nothing. */
  readonly depends_on?: readonly string[]
  readonly browser_only?: boolean
}

/** What the suite found: `true`, or the kind of the error and its text. */
export type Found = true | readonly [error: string, reason: string]

/**
 * - `passed`: for a test of kind `check`, "yes"
 * - `failed`
 * - `setup`: what the test builds on did not come about
 * - `retry`: the origin was asked twice
 * - `dependency`: a test that this one depends on was not passed
 * - `untested`
 */
export type Verdict = 'passed' | 'failed' | 'setup' | 'retry' | 'dependency' | 'untested'

export interface Judged {
  readonly id: string
  readonly name: string
  readonly kind: Kind
  readonly verdict: Verdict
  /** Passed, whatever became of the tests it depends on. */
  readonly raw: boolean
  /** Why it was not passed. */
  readonly reason?: string
}

export interface Score {
  readonly passed: number
  /** With dependencies not honoured. */
  readonly raw: number
  readonly total: number
}

/**
 * The verdict on each test, dependencies honoured: a test whose dependency was not passed shows nothing. A proxy that never stores
 * "passes" most tests of the kind "must not be reused".
 */
export function judge (tests: readonly CacheTest[], found: ReadonlyMap<string, Found>): Judged[] {
  const byId = new Map(tests.map((test) => [test.id, test]))
  const verdicts = new Map<string, Verdict>()

  function verdictOn (id: string): Verdict {
    let verdict = verdicts.get(id)
    if (verdict === undefined) {
      verdict = missedDependency(id) === undefined ? ownVerdict(found.get(id)) : 'dependency'
      verdicts.set(id, verdict)
    }
    return verdict
  }

  function missedDependency (id: string): string | undefined {
    const test = byId.get(id)
    return found.has(id) ? test?.depends_on?.find((dependency) => verdictOn(dependency) !== 'passed') : undefined
  }

  return tests.map(({ id, name, kind = 'required' }) => {
    const missed = missedDependency(id)
    const result = found.get(id)
    const own = result === undefined || result === true ? undefined : result[1]
    return { id, name, kind, verdict: verdictOn(id), raw: result === true, reason: missed === undefined ? own : `depends on ${missed}` }
  })
}

function ownVerdict (found: Found | undefined): Verdict {
  if (found === undefined) return 'untested'
  if (found === true) return 'passed'
  if (found[0] !== 'Setup') return 'failed'
  return found[1] === 'retry' ? 'retry' : 'setup'
}

export function score (judged: readonly Judged[], kind: Kind): Score {
  const ofKind = judged.filter((test) => test.kind === kind)
  return {
    passed: ofKind.filter(({ verdict }) => verdict === 'passed').length,
    raw: ofKind.filter(({ raw }) => raw).length,
    total: ofKind.length
  }
}

/** A test with all that it depends on, at any distance. */
export function withDependencies (tests: readonly CacheTest[], id: string): CacheTest[] {
  const wanted = new Set([id])
  // A set that grows while it is walked through: what is added is visited too.
  for (const each of wanted) {
    for (const dependency of tests.find((test) => test.id === each)?.depends_on ?? []) wanted.add(dependency)
  }
  return tests.filter((test) => wanted.has(test.id))
}

/** The least that has to be passed, from `158,85`: required, and after a comma optimal. */
export function parseFloor (text: string): Partial<Record<Kind, number>> {
  if (!/^\d+(,\d+)?$/.test(text)) throw new Error(`--floor: expected two numbers such as 158,85; got ${text}`)
  const [required, optimal] = text.split(',').map(Number)
  return { required, ...optimal !== undefined && { optimal } }
}
