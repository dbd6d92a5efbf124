import { Session, type Profiler } from 'node:inspector'

/**
 * Which blocks of code under `lib` have run. Of what the regular expressions do it knows nothing: that shows in the words that targets give
 * for what came out.
 */
export class Coverage implements Disposable {
  readonly #session = new Session()
  readonly #folder: string

  constructor (folder: string) {
    this.#folder = folder
    this.#session.connect()
    this.#session.post('Profiler.enable')
  }

  start (): void {
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Code runs at its full speed again. */
  stop (): void {
    this.#session.post('Profiler.stopPreciseCoverage')
  }

  /** The blocks that ran since this was called last. */
  take (): Set<string> {
    let taken: Profiler.ScriptCoverage[] = []
    // Answers before it returns: the session is in this very thread.
    this.#session.post('Profiler.takePreciseCoverage', (fault, answer) => {
      if (fault !== null) throw fault
      taken = answer.result
    })
    return new Set(taken.filter(({ url }) => url.startsWith(this.#folder)).flatMap(blocksOf))
  }

  [Symbol.dispose] (): void {
    this.#session.disconnect()
  }
}

function blocksOf ({ scriptId, functions }: Profiler.ScriptCoverage): string[] {
  return functions.flatMap(({ ranges }) => ranges.filter(({ count }) => count > 0).map(({ startOffset, endOffset }) => `${scriptId}:${startOffset}:${endOffset}`))
}
