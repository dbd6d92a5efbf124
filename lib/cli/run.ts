import { CommanderError, type Command } from 'commander'
import type { Perform } from './context.ts'
import { CommandError, EXIT, ReaderGone, UsageError } from './exit.ts'
import type { Io } from './io.ts'
import { Output } from './output.ts'
import { placesOf, type CommonOptions } from './places.ts'
import { printableLines, withoutSecrets } from './printable.ts'
import { programFor } from './program.ts'
import { secretsOf } from './secrets.ts'
import { faultText, redisFaultMeans } from './sources/redis-fault.ts'

/** Runs the command line. Gives back what the process is to end with, see `EXIT`. Never rejects. */
export async function run (args: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT.ok
  let output = new Output(io, { isJson: false, secrets: secretsOf({}, io.env) })
  const perform: Perform = async (command, task) => {
    const options = command.optsWithGlobals<CommonOptions>()
    output = new Output(io, { isJson: options.json === true, secrets: secretsOf(options, io.env) })
    exitCode = await task({ io, output, places: placesOf(options, io.env) }) ?? EXIT.ok
  }
  try {
    await prepared(programFor(perform), io).parseAsync(args, { from: 'user' })
    return exitCode
  } catch (fault) {
    return told(fault, output, io)
  }
}

function prepared (program: Command, { stdout, stderr }: Io): Command {
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => { stdout.write(text) },
      writeErr: (text) => { stderr.write(printableLines(withoutSecrets(text, []))) },
      getOutHelpWidth: () => Math.min(stdout.columns ?? 100, 120),
      getErrHelpWidth: () => Math.min(stderr.columns ?? 100, 120),
      getOutHasColors: () => false,
      getErrHasColors: () => false
    })
  }
  return program
}

function told (fault: unknown, output: Output, { signal }: Io): number {
  if (fault instanceof CommanderError) return fault.exitCode === 0 ? EXIT.ok : EXIT.wrongUse // it has said it
  if (signal.aborted) return signal.reason instanceof ReaderGone ? EXIT.ok : EXIT.interrupted
  const text = faultText(fault)
  if (fault instanceof UsageError || isWrongOption(fault)) {
    output.refuse(text)
    return EXIT.wrongUse
  }
  output.error(fault instanceof CommandError ? text : `${text} ${redisFaultMeans(text)}`.trim())
  return EXIT.failed
}

/** What the client refuses before it does anything was written wrong here. */
function isWrongOption (fault: unknown): boolean {
  const code = fault instanceof Error && 'code' in fault ? String(fault.code) : ''
  return /^RESPONSE_CACHE_ERR_(?:OPTION|ENV|TARGET|KEY)_/.test(code)
}
