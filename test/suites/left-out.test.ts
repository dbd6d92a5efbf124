import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { runPlain } from '../helpers/plain-process.ts'
import { filesOfSuite, SUITES } from './run-suite.ts'

const root = join(import.meta.dirname, '..', '..')

test('npm test runs each test file once, in a suite or alone', async (t) => {
  const { stdout } = await runPlain(join(root, 'node_modules', '.bin', 'tap'), ['list'], { cwd: root })
  const listed = stdout.trim().split('\n')
  const suites = listed.filter((file) => file.endsWith('.suite.ts'))
  t.strictSame(suites, Object.keys(SUITES).map((name) => `test/suites/${name}.suite.ts`).toSorted())

  const inSuites = (await Promise.all(Object.keys(SUITES).map(filesOfSuite))).flat()
  const run = [...listed.filter((file) => !suites.includes(file)), ...inSuites]
  const files = (await readdir(join(root, 'test'), { recursive: true })).filter((name) => name.endsWith('.test.ts'))
  t.strictSame(run.toSorted(), files.map((name) => `test/${name.replaceAll('\\', '/')}`).toSorted())
})
