import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { findOnPath } from './find-on-path.ts'
import { freePort } from './free-port.ts'
import { startProcess } from './redis-process.ts'

const run = promisify(execFile)

/** What a client needs, in PEM. */
export interface TlsMaterial {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface TlsRedis extends TlsMaterial {
  readonly url: string
}

/** Why no server with TLS can be started here, or undefined if one can: it reads files, which a container would not see. */
export function tlsProblem (): string | undefined {
  if (findOnPath(['redis-server', 'valkey-server']) === undefined) return 'no redis-server or valkey-server on the PATH'
  return findOnPath(['openssl']) === undefined ? 'no openssl on the PATH' : undefined
}

/** A server that speaks TLS only, with a certificate of its own authority, and wants one of its clients unless it is told otherwise. Ends with `t`. */
export async function startTlsRedis (t: Test, { asksClients = true } = {}): Promise<TlsRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const ca = await makeAuthority(folder)
  for (const name of ['server', 'client']) await makeCertificate(folder, name)
  const port = await freePort()
  const binary = findOnPath(['redis-server', 'valkey-server'])
  const file = (name: string): string => join(folder, name)
  const server = await startProcess(binary!, {
    port,
    args: [
      '--port', '0', '--tls-port', String(port), '--tls-auth-clients', asksClients ? 'yes' : 'no',
      '--tls-ca-cert-file', file('ca.pem'), '--tls-cert-file', file('server.pem'), '--tls-key-file', file('server.key')
    ]
  })
  t.teardown(server.dispose)
  return { url: `rediss://localhost:${port}`, ca, cert: await readFile(file('client.pem'), 'utf8'), key: await readFile(file('client.key'), 'utf8') }
}

/** A certificate of an authority that no server here has anything to do with. */
export async function foreignAuthority (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return await makeAuthority(folder)
}

async function makeAuthority (folder: string): Promise<string> {
  await openssl(folder, ['req', '-x509', ...newKey('ca'), '-days', '2', '-subj', '/CN=authority of a test', '-out', 'ca.pem'])
  return await readFile(join(folder, 'ca.pem'), 'utf8')
}

async function makeCertificate (folder: string, name: string): Promise<void> {
  await writeFile(join(folder, 'names.cnf'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  await openssl(folder, ['req', ...newKey(name), '-subj', `/CN=${name}`, '-out', `${name}.csr`])
  await openssl(folder, ['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names.cnf', '-out', `${name}.pem`])
}

function newKey (name: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
}

async function openssl (folder: string, args: readonly string[]): Promise<void> {
  await run('openssl', args, { cwd: folder })
}
