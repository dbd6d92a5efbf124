import type { WriteStream } from 'node:tty'

const BAR_WIDTH = 30

/** Reports how far loading is: one line that is redrawn on a terminal, a line per quarter anywhere else. */
export class Progress {
  readonly #label: string
  readonly #stream: WriteStream
  #quarter = -1

  constructor (label: string, stream: WriteStream = process.stdout) {
    this.#label = label
    this.#stream = stream
  }

  readonly update = (done: number, total: number): void => {
    if (this.#stream.isTTY) return this.#redraw(done, total)
    const quarter = Math.floor(done / total * 4)
    if (quarter === this.#quarter) return
    this.#quarter = quarter
    this.#stream.write(`${this.#label}: ${count(done)} of ${count(total)}\n`)
  }

  #redraw (done: number, total: number): void {
    const filled = Math.round(done / total * BAR_WIDTH)
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled)
    this.#stream.write(`\r${this.#label} ${bar} ${count(done)} of ${count(total)}${done === total ? '\n' : ''}`)
  }
}

function count (value: number): string {
  return value.toLocaleString('en')
}
