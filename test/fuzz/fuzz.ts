import { Dice } from '../properties/dice.ts'
import type { Coverage } from './coverage.ts'
import { mutated } from './mutate.ts'
import type { Target } from './target.ts'

/*
 * Feeds a target with inputs that are like those of its corpus. An input that makes code run that none before has made run, or that gives a
 * new word for what came out, joins the corpus.
 */

export interface FuzzOptions {
  readonly seed: number
  readonly cases: number
  /** Without it only the words count. */
  readonly coverage?: Coverage
  /** Milliseconds after which no new batch is begun. Default: none. */
  readonly mostMs?: number
}

export interface Fuzzed {
  readonly cases: number
  readonly ms: number
  /** How many inputs are in the corpus at the end. */
  readonly corpus: number
  /** How many blocks of code have run. */
  readonly blocks: number
  readonly outcomes: ReadonlyMap<string, number>
  readonly failure: Failure | undefined
}

export interface Failure {
  readonly input: Buffer
  readonly fault: unknown
}

const BATCH = 2000
/** Later inputs hardly find new code, and code that is watched is slow. */
const WATCHED_CASES = 60_000
const MOST_IN_CORPUS = 3000
const MOST_OUTCOMES = 500
/** Nothing that is this short takes so long, unless the machine does something else. */
const SLOW_MS = 100
const SLOW_ATTEMPTS = 4

export async function fuzz (target: Target, options: FuzzOptions): Promise<Fuzzed> {
  return await new Fuzzing(target, options).run()
}

class Fuzzing {
  readonly #target: Target
  readonly #options: FuzzOptions
  readonly #dice: Dice
  readonly #corpus: Buffer[]
  readonly #tokens: readonly Buffer[]
  readonly #blocks = new Set<string>()
  readonly #outcomes = new Map<string, number>()
  #failure: Failure | undefined

  constructor (target: Target, options: FuzzOptions) {
    this.#target = target
    this.#options = options
    this.#dice = new Dice(options.seed)
    this.#corpus = target.corpus.map((input) => Buffer.from(input))
    this.#tokens = target.tokens.map((token) => Buffer.from(token, 'latin1'))
  }

  async run (): Promise<Fuzzed> {
    const { cases, mostMs = Infinity, coverage } = this.#options
    const begin = performance.now()
    coverage?.start()
    let done = 0
    for (let inputs = [...this.#corpus]; this.#failure === undefined; inputs = this.#next(Math.min(BATCH, cases - done))) {
      await this.#runAll(inputs)
      if (done < WATCHED_CASES) await this.#keepWhatRanMore(inputs)
      else coverage?.stop()
      done += inputs.length
      if (done >= cases || performance.now() - begin > mostMs) break
    }
    coverage?.stop()
    return { cases: done, ms: performance.now() - begin, corpus: this.#corpus.length, blocks: this.#blocks.size, outcomes: this.#outcomes, failure: this.#failure && await smallest(this.#target, this.#failure) }
  }

  #next (count: number): Buffer[] {
    const material = { corpus: this.#corpus, tokens: this.#tokens }
    return Array.from({ length: count }, () => mutated(this.#dice, material))
  }

  async #runAll (inputs: readonly Buffer[]): Promise<void> {
    for (const input of inputs) {
      try {
        const begin = performance.now()
        const outcome = this.#target.check(input)
        this.#note(typeof outcome === 'string' ? outcome : await outcome, input)
        if (performance.now() - begin > SLOW_MS) await checkSpeed(this.#target, input)
      } catch (fault) {
        this.#failure = { input, fault }
        return
      }
    }
  }

  #note (outcome: string, input: Buffer): void {
    const count = this.#outcomes.get(outcome) ?? 0
    if (count === 0 && this.#outcomes.size < MOST_OUTCOMES) this.#keep(input)
    if (count > 0 || this.#outcomes.size < MOST_OUTCOMES) this.#outcomes.set(outcome, count + 1)
  }

  #keep (input: Buffer): void {
    if (this.#corpus.length < MOST_IN_CORPUS) this.#corpus.push(input)
  }

  /** Whether there is one is asked of a whole batch, since the answer costs milliseconds; which one it is, by halving. */
  async #keepWhatRanMore (inputs: readonly Buffer[]): Promise<void> {
    const found = this.#options.coverage?.take() ?? new Set<string>()
    const unseen = new Set([...found].filter((block) => !this.#blocks.has(block)))
    if (unseen.size === 0 || this.#failure !== undefined) return
    for (const block of unseen) this.#blocks.add(block)
    await this.#find(inputs, unseen)
  }

  async #find (inputs: readonly Buffer[], unseen: ReadonlySet<string>): Promise<void> {
    const [only] = inputs
    if (inputs.length <= 1) {
      if (only !== undefined) this.#keep(only)
      return
    }
    const half = Math.ceil(inputs.length / 2)
    for (const part of [inputs.slice(0, half), inputs.slice(half)]) {
      await this.#runAll(part)
      const there = new Set([...this.#options.coverage!.take()].filter((block) => unseen.has(block)))
      if (there.size === 0) continue
      await this.#find(part, there)
      return // what else is in the other half comes by another input
    }
  }
}

/** Throws for an input that takes long every time: of the processor, which others may keep from this process. */
async function checkSpeed (target: Target, input: Buffer): Promise<void> {
  let least = Infinity
  for (let attempt = 0; attempt < SLOW_ATTEMPTS; attempt++) {
    const begin = process.cpuUsage()
    await target.check(input)
    const { user, system } = process.cpuUsage(begin)
    least = Math.min(least, (user + system) / 1000)
    if (least <= SLOW_MS) return
  }
  throw new Error(`slow: ${input.length} bytes take ${least.toFixed(0)} ms`)
}

const MOST_SHORTENINGS = 2000

/** The same failure with less input, as far as leaving out parts of it goes. */
async function smallest (target: Target, failure: Failure): Promise<Failure> {
  let [best, tries] = [failure, 0]
  for (let size = Math.ceil(best.input.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.input.length && tries < MOST_SHORTENINGS; tries++) {
      const shorter = Buffer.concat([best.input.subarray(0, at), best.input.subarray(at + size)])
      const fault = await faultOf(target, shorter)
      if (fault === undefined || kindOf(fault) !== kindOf(best.fault)) at += size
      else best = { input: shorter, fault }
    }
  }
  return best
}

async function faultOf (target: Target, input: Buffer): Promise<unknown> {
  try {
    await target.check(input)
  } catch (fault) {
    return fault
  }
}

/** What was found differs with the input, the beginning of the text does not. */
function kindOf (fault: unknown): string {
  return String(fault).split(':', 2).join(':')
}
