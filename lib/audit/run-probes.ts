import { fieldOf, isServed, type Answer, type Ask } from './exchange.ts'
import type { Probe, Severity } from './probe.ts'
import { Scene, type Person } from './scene.ts'

/** What one probe found about one URL. */
export interface Finding {
  /** The probe. */
  readonly probe: string
  /** The advisory, the paper, or the section of the RFC that it comes from. */
  readonly reference: string
  /** The audited URL. */
  readonly route: string
  /** `high`: others get what was not meant for them; `medium`: with luck, or an error; `low`: outsiders learn something. */
  readonly severity: Severity
  /** What happened. */
  readonly evidence: string
  /** What to do. */
  readonly advice: string
}

/** One audited URL. */
export interface AuditedUrl {
  readonly url: string
  /** Whether a repeated request was answered from the cache, for nobody or one of the test users. Where not, little can be found. */
  readonly isCached: boolean
  /** Status of a plain request. */
  readonly status: number
  /** `Cache-Status` of the repeated request: why it was not cached. */
  readonly cacheStatus: string
}

export interface ProbeRun {
  readonly probes: readonly Probe[]
  readonly ask: Ask
  readonly people: readonly Person[]
  readonly host?: string
  readonly forget?: (url: string) => Promise<void>
}

/** Runs all probes against one URL, one after another. */
export async function probeUrl (url: string, { probes, ask, people, host, forget }: ProbeRun): Promise<{ audited: AuditedUrl, findings: Finding[] }> {
  const options = { ask, url, people, ...host === undefined ? {} : { host }, ...forget === undefined ? {} : { forget: () => forget(url) } }
  const { base, answer } = await cachedPerson(new Scene({ ...options, base: {} }))
  const scene = new Scene({ ...options, base })
  const findings: Finding[] = []
  for (const { name, reference, severity, advice, run } of probes) {
    const evidence = await run(scene)
    if (evidence !== undefined) findings.push({ probe: name, reference, route: url, severity, evidence, advice })
  }
  await forget?.(url)
  return { audited: { url, isCached: isServed(answer), status: answer.status, cacheStatus: fieldOf(answer, 'cache-status') }, findings }
}

/** Whose plain requests are cached; nobody's, where none are. */
async function cachedPerson (scene: Scene): Promise<{ base: Person, answer: Answer }> {
  let last: { base: Person, answer: Answer } | undefined
  for (const base of scene.people) {
    const host = await scene.freshHost()
    await scene.ask(host, { as: base })
    const answer = await scene.ask(host, { as: base })
    if (isServed(answer)) return { base, answer }
    last ??= { base, answer }
  }
  return last!
}
