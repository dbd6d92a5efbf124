#!/usr/bin/env node
import { processIo } from './io.ts'
import { run } from './run.ts'

/** More than enough for what ends by itself. */
const LAST_MS = 200

const io = processIo()
const exitCode = await run(process.argv.slice(2), io)
process.exitCode ||= exitCode // a result that could not be written is a failure already
// All is written. What was asked and is not wanted any more would keep the process until it is answered.
process.stdout.write('', () => { setTimeout(() => { process.exit() }, LAST_MS).unref() })
