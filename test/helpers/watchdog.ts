import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'

// The shell holds one end of a pipe. When this process ends, also by SIGKILL, the pipe closes and the server goes with
// it. The shell is deaf to the Ctrl-C that ends the tests, so that they can still clean up in a Redis that answers.
const watchdog = `
folder=$1; shift
"$@" &
pid=$!
trap 'kill -9 $pid 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM HUP
echo "pid $pid"
exec >/dev/null 2>&1
cat
`

/**
 * Starts a server that ends with this process, whatever ends it, and takes its folder with it. The first line of the output is `pid <pid>`;
 * what the server writes follows. It is ended by the end of the input.
 */
export function spawnWatched (folder: string, command: readonly string[]): ChildProcessByStdio<Writable, Readable, null> {
  const shell = spawn('sh', ['-c', watchdog, 'server-for-tests', folder, ...command], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
  shell.stdin.on('error', () => {}) // the shell may be gone before we say so
  return shell
}
