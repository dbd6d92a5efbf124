import Table from 'cli-table3'
import type { Io } from './io.ts'
import { printable, printableJson, printableLines, withoutSecrets } from './printable.ts'
import { isDrawable, styleFor, type Mood, type Style } from './style.ts'

/** A column: its head, and `right` for numbers. */
export type Column = string | { readonly head: string, readonly align: 'right' }
/** A text, which may be that of a stranger. */
export type Cell = string | { readonly text: string, readonly mood: Mood }
export type Row = readonly Cell[]

/** Nothing but two blanks between columns. */
const BORDERS = [
  'top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'
]
const PLAIN = { ...Object.fromEntries(BORDERS.map((name) => [name, ''])), middle: '  ' }

/** A head of numbers. */
export function right (head: string): Column {
  return { head, align: 'right' }
}

/** What a command says: results to standard output, all else to standard error. */
export class Output {
  readonly isJson: boolean
  readonly style: Style
  readonly #io: Io
  readonly #secrets: readonly string[]

  constructor (io: Io, { isJson, secrets }: { readonly isJson: boolean, readonly secrets: readonly string[] }) {
    this.#io = io
    this.isJson = isJson
    this.#secrets = secrets
    this.style = styleFor(io.stdout, io.env)
  }

  /** That can be drawn on. */
  get isTerminal (): boolean {
    return isDrawable(this.#io.stdout, this.#io.env)
  }

  /** For texts of servers among results. */
  withoutSecrets (text: string): string {
    return withoutSecrets(text, this.#secrets)
  }

  /** The result: JSON or, for people, what `show` writes. */
  result (value: unknown, show: () => void): void {
    if (this.isJson) this.#io.stdout.write(`${printableJson(JSON.stringify(value, undefined, 2))}\n`)
    else show()
  }

  /** One result of many: with JSON each of them is a line. */
  event (value: unknown, show: () => void): void {
    if (this.isJson) this.#io.stdout.write(`${printableJson(JSON.stringify(value))}\n`)
    else show()
  }

  line (text = ''): void {
    this.#io.stdout.write(`${printable(text)}\n`)
  }

  heading (text: string): void {
    this.#io.stdout.write(`${this.style('strong', printable(text))}\n`)
  }

  /** Rows under heads. */
  table (columns: readonly Column[], rows: readonly Row[]): void {
    this.#draw(rows, {
      head: columns.map((column) => this.style('faint', typeof column === 'string' ? column : column.head)),
      colAligns: columns.map((column) => typeof column === 'string' ? 'left' : column.align)
    })
  }

  /** Names and what they are. */
  list (rows: readonly Row[]): void {
    this.#draw(rows, {})
  }

  /** To standard error, for people. */
  note (text: string): void {
    this.#io.stderr.write(`${this.#told(text)}\n`)
  }

  error (text: string): void {
    this.#fail(this.#told(text))
  }

  /** What the command line itself has to say, which is no text of a server. */
  refuse (text: string): void {
    this.#fail(printableLines(withoutSecrets(text, [])))
  }

  /** A terminal begins at its top again. What had gone out of sight at its top stays there. */
  clear (): void {
    if (this.isTerminal && !this.isJson) this.#io.stdout.write('\x1b[2J\x1b[H')
  }

  #told (text: string): string {
    return printableLines(this.withoutSecrets(text))
  }

  #fail (text: string): void {
    this.#io.stderr.write(`${styleFor(this.#io.stderr, this.#io.env)('bad', 'error:')} ${text}\n`)
  }

  #draw (rows: readonly Row[], options: { head?: string[], colAligns?: Array<'left' | 'right'> }): void {
    const table = new Table({ ...options, chars: PLAIN, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true } })
    table.push(...rows.map((row) => row.map((cell) => typeof cell === 'string' ? printable(cell) : this.style(cell.mood, printable(cell.text)))))
    for (const line of table.toString().split('\n')) this.#io.stdout.write(`${line.trimEnd()}\n`)
  }
}
