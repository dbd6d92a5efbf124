import { test, type Test } from 'tap'
import { ALL, keyLabel, patternLabel, tagLabel } from '../../lib/marks/labels.ts'
import { MarkLedger, type FillStamp, type MarkKind, type Verdict } from '../../lib/marks/ledger.ts'
import { LocalMarks } from '../../lib/marks/marks.ts'
import { generator } from './seeded.ts'

/*
 * Marks against a model that remembers in which order everything really happened, under random schedules in virtual time. A failure
 * tells the seed of its schedule: `SEED=… SCHEDULES=1` runs it alone.
 */

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))
const SCHEDULES = Number(process.env.SCHEDULES ?? 10_000)
const EVENTS = 30
const TAGS = ['a', 'b', 'c', 'd'].map(tagLabel)
const IDS = ['user:1', 'user:2', 'page:1']
const MARKED = [...TAGS, ALL, ...IDS.map(keyLabel), patternLabel('user:*'), patternLabel('*:1')]

interface Fill {
  readonly begunAt: number
  readonly filled: FillStamp
  readonly id: string
  readonly labels: readonly string[]
}

interface Invalidation {
  readonly at: number
  readonly kind: MarkKind
  readonly label: string
}

interface Bounds {
  readonly most?: number
  readonly restarts?: boolean
}

/** A schedule and all that really happened in it. */
class Model {
  readonly random: () => number
  readonly marks: LocalMarks
  /** Another ledger, which hears of the marks later. */
  readonly mirror = new MarkLedger()
  readonly fills: Fill[] = []
  readonly log: string[] = []
  readonly #bounds: Bounds
  readonly #invalidations: Invalidation[] = []
  #running: Fill[] = []
  #now = 1_700_000_000_000
  #at = 0
  #restartedAt = 0

  constructor (seed: number, bounds: Bounds) {
    this.random = generator(seed)
    this.#bounds = bounds
    this.marks = new LocalMarks({ clock: () => this.#now, ...(bounds.most === undefined ? {} : { most: bounds.most }) })
    this.hear()
  }

  step (): void {
    this.#at++
    const dice = this.random()
    if (dice < 0.3) this.#begin(this.random() < 0.3 ? this.mirror : this.marks.ledger)
    else if (dice < 0.55) this.#end()
    else if (dice < 0.8) this.#invalidate()
    else if (dice < 0.9) this.#now += Math.floor((this.random() - 0.4) * 10_000) / 1000
    else if (dice < 0.97 || this.#bounds.restarts !== true) this.hear()
    else this.#restart()
  }

  /** The mirror learns what it does not know. */
  hear (): void {
    const { ledger } = this.marks
    if (this.mirror.incarnation !== ledger.incarnation) this.mirror.restart(ledger.incarnation!)
    this.mirror.learn(ledger.newerThan(this.mirror.clock), ledger.clock)
    this.mirror.raiseFloor(ledger.floor)
  }

  #begin (ledger: MarkLedger): void {
    const labels = TAGS.filter(() => this.random() < 0.3)
    this.#running.push({ begunAt: this.#at, filled: ledger.stamp!, id: this.#one(IDS), labels })
    this.log.push(`${this.#at} begin ${labels.join()} at ${ledger.clock}`)
  }

  #end (): void {
    const fill = this.#one(this.#running)
    if (fill === undefined) return
    this.#running = this.#running.filter((other) => other !== fill)
    this.fills.push(fill)
  }

  #invalidate (): void {
    const kind = this.random() < 0.5 ? 'hard' : 'soft'
    const labels = [...new Set([this.#one(MARKED), this.#one(MARKED)])]
    this.marks.mark(kind, labels)
    for (const label of labels) this.#invalidations.push({ at: this.#at, kind, label })
    this.log.push(`${this.#at} ${kind} ${labels.join()} clock ${this.marks.ledger.clock} floor ${this.marks.ledger.floor}`)
  }

  #restart (): void {
    this.marks.ledger.restart(`life ${this.#at}`)
    this.marks.ledger.learn([], this.#now * 1000)
    this.#restartedAt = this.#at
    this.log.push(`${this.#at} restart`)
  }

  #one<T> (list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)]!
  }

  /** What really happened to it since it began. */
  truth (fill: Fill): Verdict {
    if (fill.begunAt < this.#restartedAt) return 'dead'
    const kinds = this.#invalidations.filter(({ at, label }) => at > fill.begunAt && means(label, fill)).map(({ kind }) => kind)
    return kinds.includes('hard') ? 'dead' : kinds.includes('soft') ? 'stale' : 'live'
  }
}

/** Without the matcher under test: there are two patterns. */
function means (label: string, { id, labels }: Fill): boolean {
  if (label === patternLabel('user:*')) return id.startsWith('user:')
  if (label === patternLabel('*:1')) return id.endsWith(':1')
  return label === ALL || label === keyLabel(id) || labels.includes(label)
}

const WORSE: Record<Verdict, readonly Verdict[]> = { live: ['live', 'stale', 'dead'], stale: ['stale', 'dead'], dead: ['dead'] }

/** Runs all schedules; `judge` gives what is wrong in one, if anything. */
function run (t: Test, bounds: Bounds, judge: (model: Model) => string | undefined): void {
  t.comment(`SEED=${SEED} SCHEDULES=${SCHEDULES}`)
  const seen: Record<Verdict, number> = { live: 0, stale: 0, dead: 0 }
  for (let schedule = 0; schedule < SCHEDULES; schedule++) {
    const model = new Model(SEED + schedule, bounds)
    for (let i = 0; i < EVENTS; i++) model.step()
    const wrong = judge(model)
    if (wrong !== undefined) {
      t.fail(`SEED=${SEED + schedule} SCHEDULES=1: ${wrong}\n${model.log.join('\n')}`)
      return
    }
    for (const fill of model.fills) seen[model.truth(fill)]++
  }
  t.comment(seen)
  if (SCHEDULES >= 1000) for (const [verdict, count] of Object.entries(seen)) t.ok(count > SCHEDULES / 10, `${count} entries are ${verdict}`)
}

/** What was invalidated since it began is not better than that, for this process and for one that has heard of all marks. */
function neverBetter (model: Model): string | undefined {
  model.hear()
  for (const fill of model.fills) {
    const truth = model.truth(fill)
    for (const ledger of [model.marks.ledger, model.mirror]) {
      const verdict = ledger.verdict(fill, fill)
      if (!WORSE[truth].includes(verdict)) return `${JSON.stringify(fill)} is ${truth}, judged ${verdict}`
    }
  }
}

test('an entry is never better than what was invalidated since its fill began', async (t) => {
  run(t, { restarts: true }, neverBetter)
})

test('that holds when the number of marks is bounded', async (t) => {
  for (const most of [1, 3, 8]) {
    run(t, { most, restarts: true }, neverBetter)
  }
})

test('without bound and restart an entry is exactly what was invalidated since its fill began', async (t) => {
  run(t, {}, (model) => {
    for (const fill of model.fills) {
      const [truth, verdict] = [model.truth(fill), model.marks.ledger.verdict(fill, fill)]
      const heardLater = fill.filled.stamp < model.marks.ledger.clock && truth !== verdict && WORSE[truth].includes(verdict) && isOfMirror(model, fill)
      if (truth !== verdict && !heardLater) return `${JSON.stringify(fill)} is ${truth}, judged ${verdict}`
    }
  })
})

/** Fills of the mirror may look older than they are. */
function isOfMirror (model: Model, { begunAt }: Fill): boolean {
  const before = model.log.filter((line) => /hard|soft/.test(line) && Number.parseInt(line) < begunAt).at(-1)
  const begun = model.log.find((line) => line.startsWith(`${begunAt} begin`))!
  return before !== undefined && Number(/clock (\d+)/.exec(before)![1]) > Number(/at (\d+)/.exec(begun)![1])
}

test('the number of marks stays bounded however many are set at once', async (t) => {
  const marks = new LocalMarks({ clock: () => 1, most: 100 })
  for (let round = 0; round < 50; round++) marks.mark('hard', Array.from({ length: 50 }, (_, at) => tagLabel(`${round} ${at}`)))
  t.ok(marks.ledger.size <= 150, `${marks.ledger.size} marks`)
})

test('a pattern does not make the judging of every entry go through all marks', async (t) => {
  const marks = new LocalMarks({ clock: () => 1 })
  const filled = marks.ledger.stamp!
  marks.mark('hard', Array.from({ length: 10_000 }, (_, at) => tagLabel(String(at))))
  marks.mark('hard', [patternLabel('nothing:*')])
  let walked = 0
  const { next } = Object.getPrototypeOf(new Map().entries()) as { next: () => unknown }
  const iterator = Object.getPrototypeOf(new Map().entries()) as { next: (this: unknown) => unknown }
  iterator.next = function (this: unknown) {
    walked++
    return next.call(this)
  }
  try {
    t.equal(marks.ledger.verdict({ filled, labels: [] }, { id: 'user:1' }), 'live')
  } finally {
    iterator.next = next
  }
  t.ok(walked < 100, `${walked} marks looked at`)
})
