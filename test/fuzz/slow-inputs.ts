import { Dice } from '../properties/dice.ts'

/*
 * Looks for texts that take time out of proportion to their length: a piece, over and over, between a beginning that gets a parser to where
 * the piece means something and an end that makes it try again.
 */

const SHORT = 16_384
/** Four times as long may take twelve times the time, and some milliseconds that are the machine's: the square of it would be sixteen. */
const MOST_GROWTH = 12
const NOISE_MS = 8
const ATTEMPTS = 5

export interface Material {
  readonly corpus: readonly string[]
  readonly tokens: readonly string[]
}

export interface Search {
  readonly seed: number
  /** After so many milliseconds no new text is tried. Each piece is tried alone in any case. */
  readonly mostMs: number
  /** What takes so long is not measured with a longer text. Default 1000. */
  readonly enoughMs?: number
}

/** What is wrong, or nothing. */
export function slowInput (parse: (text: string) => unknown, { corpus, tokens }: Material, { seed, mostMs, enoughMs = 1000 }: Search): string | undefined {
  const dice = new Dice(seed)
  for (const token of tokens) {
    const wrong = notLinear(parse, { before: '', piece: token, after: '' }, enoughMs) ?? notLinear(parse, { before: '', piece: token, after: '\0' }, enoughMs)
    if (wrong !== undefined) return wrong
  }
  const begin = performance.now()
  while (performance.now() - begin < mostMs) {
    const [before, after] = [dice.chance(0.4) ? '' : partOf(dice, corpus), dice.chance(0.3) ? '' : dice.chance(0.5) ? '\0' : dice.pick(tokens)]
    const piece = Array.from({ length: 1 + dice.below(3) }, () => dice.chance(0.8) ? dice.pick(tokens) : partOf(dice, corpus).slice(0, 12)).join('')
    const wrong = notLinear(parse, { before, piece: piece === '' ? ' ' : piece, after }, enoughMs)
    if (wrong !== undefined) return wrong
  }
}

function partOf (dice: Dice, corpus: readonly string[]): string {
  const text = dice.pick(corpus)
  return text.slice(0, dice.below(text.length + 1))
}

interface Text {
  readonly before: string
  readonly piece: string
  readonly after: string
}

/** Twice in a row: the machine may do something else meanwhile, but not for each length more than for the one before. */
function notLinear (parse: (text: string) => unknown, text: Text, enoughMs: number): string | undefined {
  const short = growth(parse, text, { length: SHORT, enoughMs })
  if (short === undefined) return undefined
  const long = short.longMs > enoughMs ? short : growth(parse, text, { length: 4 * SHORT, enoughMs })
  if (long === undefined) return undefined
  const { before, piece, after } = text
  return `${JSON.stringify(before)}, then ${JSON.stringify(piece)} again and again, then ${JSON.stringify(after)}: ${SHORT} characters took ${short.shortMs.toFixed(1)} ms, four times as many ${Number.isFinite(short.longMs) ? `${short.longMs.toFixed(1)} ms` : 'were not tried'}`
}

function growth (parse: (text: string) => unknown, text: Text, { length, enoughMs }: { length: number, enoughMs: number }): { shortMs: number, longMs: number } | undefined {
  let [shortMs, longMs] = [Infinity, Infinity]
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    shortMs = Math.min(shortMs, timeOf(parse, withLength(text, length)))
    if (shortMs > enoughMs) return { shortMs, longMs }
    longMs = Math.min(longMs, timeOf(parse, withLength(text, 4 * length)))
    if (longMs <= MOST_GROWTH * shortMs + NOISE_MS) return undefined
  }
  return { shortMs, longMs }
}

function withLength ({ before, piece, after }: Text, length: number): string {
  return before + piece.repeat(Math.ceil(length / piece.length)) + after
}

/** Milliseconds that this process was at work: others may be, too. */
function timeOf (parse: (text: string) => unknown, text: string): number {
  const begin = process.cpuUsage()
  parse(text)
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}
