import { Command } from 'commander'
import { several } from './arguments.ts'
import { declareDoctor } from './commands/doctor.ts'
import { declareExplain } from './commands/explain.ts'
import { declareInspect } from './commands/inspect.ts'
import { declareInvalidate } from './commands/invalidate.ts'
import { declareKeys } from './commands/keys.ts'
import { declareMonitor } from './commands/monitor.ts'
import { declareStats } from './commands/stats.ts'
import { declareTop } from './commands/top.ts'
import { declareWarm } from './commands/warm.ts'
import type { Perform } from './context.ts'

const COMMANDS = [
  declareStats, declareTop, declareKeys, declareInspect, declareExplain, declareInvalidate, declareWarm, declareMonitor, declareDoctor
]

const EXIT_CODES = `
Exit codes: 0 done, 1 failed (doctor: there are risks), 2 wrong use, 130 interrupted.
The page docs/cli.md has examples.`

/** All commands and options. `perform` does what was asked for. */
export function programFor (perform: Perform): Command {
  const program = new Command('fastify-response-cache')
    .description('Looks into the cache of a Fastify app, through its Redis or through its admin routes.')
    .usage('<command> [options]')
    .option('--redis <url>', 'the Redis of the cache: redis://HOST:6379, rediss:// for TLS (environment: REDIS_URL)')
    .option('--prefix <prefix>', 'what its keys begin with, as the option prefix of the app (environment: CACHE_PREFIX; default: cache)')
    .option('--cluster', 'that Redis is one of a Cluster')
    .option('--sentinel <name>', 'that Redis is a Sentinel, which has this name for the master: host and port are its own, all else is that of the master')
    .option('--secret-file <file>', 'secrets that entries are signed with, one a line, for an app with integrity')
    .option('--admin <url>', 'the admin routes of the app: https://HOST/admin/cache (environment: CACHE_ADMIN_URL)')
    .option('--admin-header <field>', 'sent to them, such as \'authorization: Bearer …\'; several times for several (environment: CACHE_ADMIN_HEADER, for one)', several)
    .option('--timeout <duration>', 'how long an answer may take (default: 5s)')
    .option('--json', 'the result as JSON')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .addHelpText('after', EXIT_CODES)
    .showHelpAfterError('Add --help to see what there is.')
  for (const declare of COMMANDS) declare(program, perform)
  return program
}
