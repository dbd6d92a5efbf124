/** Something that takes bytes or text from outside, and what it promises. */
export interface Target {
  readonly name: string
  /** Inputs that mean something to it. */
  readonly corpus: ReadonlyArray<string | Uint8Array>
  /** Pieces of such inputs. */
  readonly tokens: readonly string[]
  /** How many of all cases it gets, compared with others. Default: 1. */
  readonly weight?: number
  /** Throws when a promise is broken. Gives a word for what came out: an input with a new one is worth changing further. */
  readonly check: (input: Buffer) => string | Promise<string>
}

/** Throws when two things are not the same, as JSON writes them. */
export function same (found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: found ${a}, expected ${b}`)
}

export function holds (condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

/** Texts of header fields as Node gives them: one character a byte. A line never has these in it. */
export function fieldLines (input: Buffer): string[] {
  // eslint-disable-next-line no-control-regex -- what Node refuses to read from a connection
  return input.toString('latin1').split('\n').map((line) => line.replace(/[\0-\x08\x0b-\x1f\x7f]/g, ''))
}

/** One of these, or nothing, for each byte: what an input chooses besides its text. */
export function choose<T> (list: readonly T[], by: number): T {
  return list[by % list.length]!
}
