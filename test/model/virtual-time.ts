/** Who an event belongs to: a simulated process by its number, or what no process can hold up, such as the server. */
export type Owner = number | 'world'

export interface Planned {
  readonly at: number
  readonly order: number
  readonly owner: Owner
  readonly run: () => void
  isCancelled: boolean
}

/** More events than this, and a schedule goes in circles. */
const MOST_EVENTS = 200_000

/**
 * Time that goes on when nothing is left to do, in microseconds. Events run one after another, each with all the promises that
 * it settles, so that the same plan gives the same run. While it runs, the timers of the code under test are its own.
 */
export class VirtualTime {
  now = 0
  readonly #heap: Planned[] = []
  readonly #pausedUntil = new Map<Owner, number>()
  #order = 0
  #current: Owner = 'world'

  /** Plans an event in so many microseconds. */
  plan (inMicros: number, owner: Owner, run: () => void): Planned {
    const planned: Planned = { at: this.now + Math.max(0, Math.floor(inMicros)), order: this.#order++, owner, run, isCancelled: false }
    push(this.#heap, planned)
    return planned
  }

  sleep (micros: number, owner: Owner): Promise<void> {
    return new Promise((resolve) => { this.plan(micros, owner, resolve) })
  }

  /** Nothing of this process happens for so long; then all that was due does, in its order. */
  pause (owner: Owner, micros: number): void {
    this.#pausedUntil.set(owner, this.now + Math.floor(micros))
  }

  /** Until nothing is planned any more. */
  async run (): Promise<void> {
    const restore = this.#replaceTimers()
    try {
      await new Promise<void>((resolve, reject) => {
        let events = 0
        const step = (): void => {
          const event = this.#next()
          if (event === undefined) return resolve()
          if (++events > MOST_EVENTS) return reject(new Error('the schedule does not end'))
          this.now = event.at
          this.#current = event.owner
          try {
            event.run()
          } catch (fault) {
            return reject(fault instanceof Error ? fault : new Error(String(fault)))
          }
          queueMicrotask(next)
        }
        // A tick comes after all promises are settled, those that are settled meanwhile included.
        const next = (): void => { process.nextTick(step) }
        step()
      })
    } finally {
      restore()
    }
  }

  #next (): Planned | undefined {
    for (let event = pop(this.#heap); event !== undefined; event = pop(this.#heap)) {
      if (event.isCancelled) continue
      const pausedUntil = this.#pausedUntil.get(event.owner) ?? 0
      if (pausedUntil <= event.at) return event
      push(this.#heap, { ...event, at: pausedUntil, order: this.#order++ })
    }
    return undefined
  }

  /** The code under test waits with those of the global object. An event is run in one piece, so whoever asks is the one whose it is. */
  #replaceTimers (): () => void {
    const { setTimeout, clearTimeout, setImmediate, clearImmediate } = globalThis
    const cancel = (planned: Planned | undefined): void => { if (planned !== undefined) planned.isCancelled = true }
    Object.assign(globalThis, {
      setTimeout: (run: () => void, ms = 0) => this.#timer(ms * 1000, run),
      setImmediate: (run: () => void) => this.#timer(1, run),
      clearTimeout: cancel,
      clearImmediate: cancel
    })
    return () => { Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate, clearImmediate }) }
  }

  #timer (micros: number, run: () => void): Planned {
    // A paused process keeps its timers: what is put off is another object, so the one given away tells whether it was cancelled.
    const planned: Planned = this.plan(micros, this.#current, () => { if (!planned.isCancelled) run() })
    return Object.assign(planned, { unref: () => planned })
  }
}

function isBefore (a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

function push (heap: Planned[], planned: Planned): void {
  let at = heap.length
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (isBefore(heap[parent]!, planned)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = planned
}

function pop (heap: Planned[]): Planned | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return first
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (isBefore(last, heap[child]!)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return first
}
