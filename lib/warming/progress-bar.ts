import type { WarmProgress, WarmReport } from './warming.ts'

/** What a bar needs of standard error. */
export interface Terminal {
  readonly columns?: number
  write (text: string): unknown
}

const WIDEST_BAR = 30
const NARROWEST_BAR = 5
const USUAL_COLUMNS = 80
/** More often nobody sees. */
const REDRAW_MS = 100
const ERASE_TO_END = '\x1b[K'

/** One line of a terminal that is drawn anew, and becomes a line of results. */
export class ProgressBar {
  readonly #terminal: Terminal
  readonly #now: () => number
  #drawnAt = -Infinity

  constructor (terminal: Terminal, monotonic: () => number = () => performance.now()) {
    this.#terminal = terminal
    this.#now = monotonic
  }

  readonly update = ({ done, total, failed }: WarmProgress): void => {
    if (this.#now() - this.#drawnAt < REDRAW_MS) return
    this.#drawnAt = this.#now()
    // A line that fills the terminal would wrap, and could not be drawn over.
    const columns = (this.#terminal.columns || USUAL_COLUMNS) - 1
    const numbers = `${done}${total === undefined ? '' : ` of ${total}`}${failed === 0 ? '' : `, ${failed} failed`}`
    const width = Math.min(WIDEST_BAR, columns - `Warming  ${numbers}`.length)
    const bar = total === undefined || width < NARROWEST_BAR ? '' : `${drawn(done / total, width)} `
    this.#replace(`Warming ${bar}${numbers}`.slice(0, columns))
  }

  end ({ filled, fresh, failed }: WarmReport): void {
    this.#replace(`Warmed ${filled + fresh + failed}: ${filled} filled, ${fresh} fresh, ${failed} failed\n`)
  }

  /** Leaves nothing of the line. */
  erase (): void {
    if (this.#drawnAt !== -Infinity) this.#replace('')
  }

  #replace (text: string): void {
    this.#terminal.write(`\r${ERASE_TO_END}${text}`)
  }
}

function drawn (part: number, width: number): string {
  const filled = Math.round(part * width)
  return '█'.repeat(filled) + '░'.repeat(width - filled)
}
