import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { spawnPlain } from '../helpers/plain-process.ts'

/** Runs a program that reads its input, to its end. */
export async function runWithInput ([command = '', ...args]: readonly string[], input: string): Promise<{ code: number | null, output: string }> {
  const child = spawnPlain(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin!.end(input)
  const [[code], ...outputs] = await Promise.all([once(child, 'exit'), text(child.stdout!), text(child.stderr!)])
  return { code: code as number | null, output: outputs.join('') }
}
