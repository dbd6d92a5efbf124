/**
 * Shortens the output of a tap run: one line for a file that passed, and for one that failed only what failed.
 * A file arrives as one block, between `# Subtest: <file>` and `ok 1 - <file>` at the start of a line.
 */
export async function * shortenTap (lines: AsyncIterable<string>): AsyncGenerator<string> {
  let block: string[] = []
  for await (const line of lines) {
    const result = /^(ok|not ok) \d+ - (.*)$/.exec(line)
    if (result === null) {
      block.push(line)
      continue
    }

    if (result[1] === 'not ok') yield * failures(block)
    yield `${result[1] === 'ok' ? 'pass' : 'FAIL'}  ${result[2]}`
    block = []
  }
  yield * failures(block)
}

// What says that all is well, and the frame around it.
const quiet = /^\s*(ok \d|# Subtest: |\d+\.\.\d+|# time=|TAP version|$)/

function * failures (block: string[]): Generator<string> {
  let detailsOfPass = false
  let afterPass = false
  for (const line of block) {
    const text = line.trim()
    if (afterPass && text === '---') detailsOfPass = true
    afterPass = /^ok \d/.test(text)
    if (!detailsOfPass && !quiet.test(line)) yield line
    if (detailsOfPass && text === '...') detailsOfPass = false
  }
}
