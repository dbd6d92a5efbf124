import { rm } from 'node:fs/promises'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { asked, type Admin } from '../helpers/redis-admin.ts'
import { startRedisServer, type RedisServer } from '../helpers/redis.ts'
import { ask, buildApp, type App, type Source } from '../servers/app.ts'
import { until } from '../helpers/until.ts'

/*
 * A Redis that is there, and answers that it will not. Each of these ends by itself, or somebody ends it; the apps are not asked.
 */

t.jobs = 4 // they mostly wait, each for a server of its own

interface Refusal {
  /** Command line arguments of the server. */
  readonly args?: string[]
  begin (admin: Admin, server: RedisServer): Promise<unknown>
  end (admin: Admin): Promise<unknown>
}

const KILLED = ['normal', 'pubsub'].map((type) => ['CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes'])

/** Those who are connected have to begin anew. */
async function killAll (admin: Admin): Promise<void> {
  for (const words of KILLED) await admin.sendCommand(words)
}

const REFUSALS: Record<string, Refusal> = {
  'LOADING: it reads its data from disk': {
    args: ['--enable-debug-command', 'yes', '--key-load-delay', '2000', '--loading-process-events-interval-bytes', '1024'],
    async begin (admin, server) {
      await Promise.all(Array.from({ length: 1500 }, (_, i) => admin.set(`junk:${i}`, 'x'.repeat(500))))
      admin.sendCommand(['DEBUG', 'RELOAD']).catch(() => {}) // three seconds; what follows on this connection waits for its end
      await until(() => asked(server, (client) => client.get('a')).then(() => false, () => true))
    },
    end: (admin) => admin.ping()
  },
  'MISCONF: it cannot write to its disk': {
    async begin (admin) {
      await rm((await admin.configGet('dir')).dir!, { recursive: true })
      await admin.configSet({ save: '3600 1', 'stop-writes-on-bgsave-error': 'yes' })
      await admin.set('junk', 1)
      await admin.bgSave()
      await until(async () => (await admin.info('persistence')).includes('rdb_last_bgsave_status:err'))
    },
    end: (admin) => admin.configSet('stop-writes-on-bgsave-error', 'no')
  },
  'BUSY: somebody\'s script does not end': {
    async begin (admin, { url }) {
      await admin.configSet('lua-time-limit', '20')
      const other = createClient({ url })
      await other.connect()
      other.eval('while true do end').catch(() => 'killed').finally(() => { other.destroy() }).catch(() => 'closed')
      await until(() => admin.get('a').then(() => false, () => true))
    },
    end: (admin) => admin.sendCommand(['SCRIPT', 'KILL'])
  },
  'READONLY: it has become a replica': {
    begin: (admin) => admin.sendCommand(['REPLICAOF', '127.0.0.1', '1']),
    end: (admin) => admin.sendCommand(['REPLICAOF', 'NO', 'ONE'])
  },
  'MASTERDOWN: it is a replica without its master': {
    args: ['--replica-serve-stale-data', 'no'],
    begin: (admin) => admin.sendCommand(['REPLICAOF', '127.0.0.1', '1']),
    end: (admin) => admin.sendCommand(['REPLICAOF', 'NO', 'ONE'])
  },
  'NOREPLICAS: too few replicas have what it writes': {
    begin: (admin) => admin.configSet('min-replicas-to-write', '1'),
    end: (admin) => admin.configSet('min-replicas-to-write', '0')
  },
  'NOAUTH: it asks for a password after everybody was sent away': {
    async begin (admin) {
      await admin.sendCommand(['ACL', 'SETUSER', 'default', 'resetpass', '>secret'])
      await killAll(admin)
    },
    end: (admin) => admin.sendCommand(['ACL', 'SETUSER', 'default', 'nopass'])
  },
  'NOPERM: the user may do nothing any more': {
    begin: (admin) => admin.sendCommand(['ACL', 'SETUSER', 'default', '-@all', '+acl', '+ping']),
    end: (admin) => admin.sendCommand(['ACL', 'SETUSER', 'default', '+@all'])
  },
  'more clients than may be': {
    async begin (admin) {
      await admin.configSet('maxclients', '1')
      await killAll(admin)
    },
    end: (admin) => admin.configSet('maxclients', '100')
  }
}

for (const [refusal, { args = [], begin, end }] of Object.entries(REFUSALS)) {
  for (const memory of [false, { maxBlindMs: 200 }] as const) {
    t.test(`while Redis refuses, routes answer, nothing invalidated is served, and afterwards all is as before: ${refusal} [memory: ${memory !== false}]`, async (t) => {
      const server = await startRedisServer(t, { args })
      const admin = await adminOf(t, server)
      const source = { version: 1 }
      const apps = await Promise.all([1, 2].map(() => buildApp(t, { redis: server.url, memory, timeouts: { read: '1s', write: '1s', invalidate: '1s' } }, source)))
      await Promise.all(apps.map(({ app }) => app.ready()))
      await until(() => all(apps, async (app) => (await ask(app, '/plain/1')).cache === 'HIT'))
      const beganAt = performance.now()
      await begin(admin, server)
      let [rounds, confirmed] = [0, 0]
      for (; rounds < 20 && (rounds < 3 || performance.now() - beganAt < 3000); rounds++) {
        if (await refused(t, { apps: apps as [App, App], source, round: rounds, isMemory: memory !== false })) confirmed++
      }
      t.ok(confirmed < rounds && apps[0]!.app.cache.stats().store.errors > 0, 'it has refused')
      await end(admin)
      const endedAt = performance.now()
      const { version } = source
      await until(() => apps.every(({ app }) => app.cache.stats().store.pendingInvalidations === 0))
      await until(() => all(apps, async (app) => {
        const { status, cache, body } = await ask(app, '/plain/1')
        t.equal(status, 200)
        return cache === 'HIT' && body === `version ${version}`
      }))
      await until(() => apps[1]!.app.cache.invalidateAll().then(() => true, () => false))
      const ms = performance.now() - endedAt
      t.comment(`as before after ${Math.round(ms)} ms`)
      t.ok(ms < 4000, `as before after ${ms} ms`)
      t.comment(`${confirmed} of ${rounds} invalidations were confirmed`)
      for (const { lines } of apps) {
        const changes = lines.filter(({ message }) => !/^cache invalidat(?:ed|ion waits)/.test(message)).map(({ message }) => message)
        t.ok(changes.length < 12, `one line for each change: ${changes.join('; ')}`)
      }
    })
  }
}

/** One invalidation, whether it was confirmed, and what is answered after it. */
async function refused (t: Test, { apps: [first, second], source, round, isMemory }: { apps: [App, App], source: Source, round: number, isMemory: boolean }): Promise<boolean> {
  const current = `version ${++source.version}`
  const isConfirmed = await first.app.cache.invalidateTags('id:1').then(() => true, () => false)
  t.match(await ask(first, '/plain/1'), { status: 200, body: current }, 'confirmed or not, it counts where it was asked for')
  t.match(await ask(first, `/plain/new-${round}`), { status: 200, body: current })
  if (isConfirmed && isMemory) await until(async () => (await ask(second, '/plain/1')).body === current)
  const other = await ask(second, '/plain/1')
  t.equal(other.status, 200)
  if (isConfirmed) t.equal(other.body, current)
  return isConfirmed
}

async function all (apps: readonly App[], isSo: (app: App) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(apps.map(isSo))).every((so) => so)
}

async function adminOf (t: Test, { url }: RedisServer): Promise<Admin> {
  const client = createClient({ url, socket: { reconnectStrategy: false } })
  client.on('error', () => {}) // it ends with its server
  await client.connect()
  t.teardown(() => { client.destroy() })
  return client
}
