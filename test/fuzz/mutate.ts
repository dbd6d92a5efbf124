import type { Dice } from '../properties/dice.ts'

/** What inputs are made of. */
export interface Material {
  readonly corpus: readonly Buffer[]
  readonly tokens: readonly Buffer[]
}

const MOST_BYTES = 4096
/** Now and then one is as long as a server lets the header fields of a request be, and longer. */
const MOST_BYTES_RARELY = 40_000
const ODD_BYTES = [0, 9, 10, 13, 32, 34, 42, 44, 45, 47, 48, 58, 59, 61, 92, 123, 127, 128, 160, 255]
const ODD_NUMBERS = ['0', '-0', '-1', '1', '00', '1.5', '.5', '1.', '1e5', '1e400', '2147483648', '4294967296', '9007199254740992', '99999999999999999999', '-9007199254740993']

type Edit = (dice: Dice, input: Buffer, material: Material) => Buffer

const EDITS: readonly Edit[] = [
  flipBit, flipBit, setByte, setByte, cutOut, cutOut, cutOff, insertToken, insertToken, insertToken, replaceByToken, replaceByToken,
  insertBytes, splice, splice, repeatPart, repeatPart, moveByte, changeNumber, changeNumber
]

/** Something like what is in the corpus. */
export function mutated (dice: Dice, material: Material): Buffer {
  let input = dice.pick(material.corpus)
  do {
    input = dice.pick(EDITS)(dice, input, material)
  } while (dice.chance(0.6))
  return input.subarray(0, dice.chance(0.001) ? MOST_BYTES_RARELY : MOST_BYTES)
}

function flipBit (dice: Dice, input: Buffer): Buffer {
  const copy = Buffer.from(input)
  if (copy.length > 0) copy[dice.below(copy.length)]! ^= 1 << dice.below(8)
  return copy
}

function setByte (dice: Dice, input: Buffer): Buffer {
  const copy = Buffer.from(input)
  if (copy.length > 0) copy[dice.below(copy.length)] = dice.chance(0.5) ? dice.pick(ODD_BYTES) : dice.below(256)
  return copy
}

function moveByte (dice: Dice, input: Buffer): Buffer {
  const copy = Buffer.from(input)
  if (copy.length > 0) copy[dice.below(copy.length)] = copy[dice.below(copy.length)]!
  return copy
}

function cutOut (dice: Dice, input: Buffer): Buffer {
  const at = dice.below(input.length + 1)
  return replace(input, { at, removed: 1 + dice.below(dice.chance(0.8) ? 8 : input.length + 1), by: Buffer.alloc(0) })
}

function cutOff (dice: Dice, input: Buffer): Buffer {
  return input.subarray(0, dice.below(input.length + 1))
}

function insertToken (dice: Dice, input: Buffer, { tokens }: Material): Buffer {
  return replace(input, { at: dice.below(input.length + 1), removed: 0, by: dice.pick(tokens) })
}

function replaceByToken (dice: Dice, input: Buffer, { tokens }: Material): Buffer {
  const by = dice.pick(tokens)
  return replace(input, { at: dice.below(input.length + 1), removed: dice.chance(0.5) ? by.length : dice.below(12), by })
}

function insertBytes (dice: Dice, input: Buffer): Buffer {
  return replace(input, { at: dice.below(input.length + 1), removed: 0, by: Buffer.from(Array.from({ length: 1 + dice.below(6) }, () => dice.below(256))) })
}

/** The beginning of one and the end of another, or a part of another in the middle. */
function splice (dice: Dice, input: Buffer, { corpus }: Material): Buffer {
  const other = dice.pick(corpus)
  const from = dice.below(other.length + 1)
  if (dice.chance(0.5)) return Buffer.concat([input.subarray(0, dice.below(input.length + 1)), other.subarray(from)])
  return replace(input, { at: dice.below(input.length + 1), removed: 0, by: other.subarray(from, from + dice.below(40)) })
}

function repeatPart (dice: Dice, input: Buffer): Buffer {
  const at = dice.below(input.length + 1)
  const part = input.subarray(at, at + 1 + dice.below(dice.chance(0.7) ? 6 : 60))
  const times = dice.chance(0.9) ? 1 + dice.below(4) : 1 + dice.below(dice.chance(0.1) ? 4000 : 60)
  return replace(input, { at, removed: 0, by: Buffer.concat(Array.from({ length: times }, () => part)) })
}

function changeNumber (dice: Dice, input: Buffer): Buffer {
  const numbers = [...input.toString('latin1').matchAll(/\d+/g)]
  if (numbers.length === 0) return insertBytes(dice, input)
  const { index, 0: { length } } = dice.pick(numbers)
  return replace(input, { at: index, removed: length, by: Buffer.from(dice.chance(0.6) ? dice.pick(ODD_NUMBERS) : String(dice.below(1000))) })
}

function replace (input: Buffer, { at, removed, by }: { at: number, removed: number, by: Buffer }): Buffer {
  return Buffer.concat([input.subarray(0, at), by, input.subarray(at + removed)])
}
