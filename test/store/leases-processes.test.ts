import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { spawnPlain } from '../helpers/plain-process.ts'
import { builtProgram } from '../helpers/built-program.ts'
import { useRedis } from '../helpers/redis.ts'
import type { LeaseReport, LeaseTask } from './leases-process.ts'

interface Started {
  readonly child: ChildProcess
  send (task: LeaseTask | 'end'): void
  /** The next report of this type. */
  next<Type extends LeaseReport['type']> (type: Type): Promise<Extract<LeaseReport, { type: Type }>>
}

const PROCESSES = 4

t.test('one of 200 callers in four processes is granted, the others are woken when it ends', async (t) => {
  const { url, prefix } = await useRedis(t)
  const processes = await startProcesses(t, { url, prefix })
  const task = { callers: 50, leaseMs: 2000, waitMs: 20_000, workMs: 400 }
  const delays: number[] = []
  const ROUNDS = 8
  for (let round = 0; round < ROUNDS; round++) {
    for (const { send } of processes) send({ ...task, name: `user:GET:/${round}:hash` })
    const reports = await Promise.all(processes.map(({ next }) => next('done')))
    const answers = reports.flatMap(({ answers }) => answers)
    const told = answers.filter(({ what }) => what === 'stored')
    t.same([answers.length, told.length, answers.filter(({ what }) => what === 'granted').length], [200, 199, 1], `round ${round}`)
    const [releasedAt] = reports.flatMap((report) => report.releasedAt ?? [])
    // The first begins with opening the connections that messages come by.
    if (round > 0) delays.push(...told.map(({ at }) => at - releasedAt!))
  }
  delays.sort((a, b) => a - b)
  const part = (fraction: number): number => delays[Math.min(delays.length - 1, Math.floor(delays.length * fraction))]!
  t.comment(`release to wake-up, ms, ${delays.length} of ${ROUNDS - 1} rounds: p50 ${part(0.5).toFixed(2)}, p90 ${part(0.9).toFixed(2)}, p99 ${part(0.99).toFixed(2)}, max ${part(1).toFixed(2)}`)
  t.ok(part(0.5) < 20, 'half of them within 20 ms')
})

t.test('when the holder is killed one of those who wait is granted within its lease', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [holder, ...others] = await startProcesses(t, { url, prefix }) as [Started, ...Started[]]
  const leaseMs = 600
  const task = { name: 'page', callers: 1, leaseMs, waitMs: 20_000 }
  holder.send(task)
  await holder.next('granted')
  const reports = others.map(({ next }) => next('done'))
  for (const { send } of others) send({ ...task, workMs: 20 })
  await new Promise((resolve) => { setTimeout(resolve, 2 * leaseMs) }) // it lives, and so does its lease
  const isGranted = Promise.race(others.map(({ next }) => next('granted')))
  isGranted.catch(() => {})
  holder.child.kill('SIGKILL')
  const killedAt = performance.now()
  await isGranted
  const ms = performance.now() - killedAt
  t.comment(`granted ${ms.toFixed(0)} ms after the holder was killed, its lease was ${leaseMs} ms`)
  t.ok(ms < leaseMs + 300, `after ${ms} ms`)
  t.same((await Promise.all(reports)).flatMap(({ answers }) => answers.map(({ what }) => what)).toSorted(), ['granted', 'stored', 'stored'])
})

t.test('a lease that is held keeps no process alive', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [holder] = await startProcesses(t, { url, prefix }, 1) as [Started]
  holder.send({ name: 'page', callers: 1, leaseMs: 60_000, waitMs: 60_000 })
  await holder.next('granted')
  const ended = once(holder.child, 'exit')
  holder.send('end')
  t.same(await ended, [0, null])
})

async function startProcesses (t: Test, { url, prefix }: { url: string, prefix: string }, count = PROCESSES): Promise<Started[]> {
  const program = await builtProgram(join(import.meta.dirname, 'leases-process.ts'))
  const started = Array.from({ length: count }, () => start(t, [program, url, prefix]))
  await Promise.all(started.map(({ next }) => next('ready')))
  return started
}

function start (t: Test, args: string[]): Started {
  const child = spawnPlain(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const next = (type: string): Promise<LeaseReport> => new Promise((resolve, reject) => {
    const hear = (report: LeaseReport): void => {
      if (report.type !== type) return
      child.off('message', hear)
      child.off('exit', gone)
      resolve(report)
    }
    const gone = (): void => { reject(new Error(`a process has ended before it was ${type}`)) }
    child.on('message', hear)
    child.once('exit', gone)
  })
  return { child, send: (task) => { child.send(task) }, next: next as Started['next'] }
}
