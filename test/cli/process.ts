import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

/** What a process has said, as far as somebody reads it, and how it has ended. */
export async function ended (child: ChildProcess): Promise<{ code: number | null, signal: string | null, stdout: string, stderr: string }> {
  const [stdout, stderr, [code, signal]] = await Promise.all([read(child.stdout), read(child.stderr), once(child, 'exit') as Promise<[number | null, string | null]>])
  return { code, signal, stdout, stderr }
}

async function read (stream: Readable | null): Promise<string> {
  return stream === null || stream.destroyed ? '' : await text(stream)
}
