/** How programs of these tests tell what they have seen. */

const MARK = 'said '
const WAITS_MS = 15_000

/** Says something to whoever has started this program. */
export function say (what: object): void {
  process.stdout.write(`${MARK}${JSON.stringify({ ...what, saidAt: now() })}\n`)
}

/** What a program has said, by its standard output. */
export function saidIn (output: string): object[] {
  return output.split('\n').filter((line) => line.startsWith(MARK)).map((line) => JSON.parse(line.slice(MARK.length)) as object)
}

/** Milliseconds that all processes of a machine share. */
export function now (): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Waits until it is so, or for as long as nobody would wait: what is still not so then, is in the report. */
export async function until (isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endsAt = now() + WAITS_MS
  while (now() < endsAt && !await isSo()) await new Promise((resolve) => { setTimeout(resolve, 20) })
}
