/** The process that sends the load: `node --import=tsx bench/herd/client.ts`, with a channel to its parent. */
import { endWithParent, now, tell } from '../../test/herd/settings.ts'
import { Connection, Connections, type Raw } from './connection.ts'
import { percentile } from './latencies.ts'
import type { Answer, Burst, Planned, Saturation, Steady, Throughput } from './requests.ts'

const PREPARED = 50
const connections = new Connections()
endWithParent()
process.on('message', (command: Burst | Steady | Saturation) => { void run(command).then(tell) })
tell({ type: 'ready' })

async function run (command: Burst | Steady | Saturation): Promise<object> {
  if (command.type === 'burst') return await burst(command)
  if (command.type === 'steady') return await steady(command)
  return await saturation(command)
}

async function burst ({ requests }: Burst): Promise<Answer[]> {
  const counts = new Map<number, number>()
  for (const { port } of requests) counts.set(port, (counts.get(port) ?? 0) + 1)
  for (const [port, count] of counts) await connections.prepare(port, count)
  const texts = requests.map(textOf)
  const dueAt = now()
  return await Promise.all(requests.map(async (request, at) => await ask(request, { text: texts[at]!, dueAt })))
}

async function steady ({ ports, paths, perSecond, seconds }: Steady): Promise<Answer[]> {
  for (const port of ports) await connections.prepare(port, PREPARED)
  const total = Math.round(perSecond * seconds)
  const answers: Array<Promise<Answer>> = []
  const beganAt = now()
  return await new Promise((resolve) => {
    const timer = setInterval(() => {
      for (;;) {
        const dueAt = beganAt + answers.length * 1000 / perSecond
        if (answers.length === total || dueAt > now()) break
        const request = { port: ports[answers.length % ports.length]!, path: paths[Math.floor(answers.length / ports.length) % paths.length]! }
        answers.push(ask(request, { text: textOf(request), dueAt }))
      }
      if (answers.length < total) return
      clearInterval(timer)
      resolve(Promise.all(answers))
    }, 1)
  })
}

async function ask ({ port, path }: Planned, { text, dueAt }: { text: string, dueAt: number }): Promise<Answer> {
  const connection = connections.take(port) ?? await Connection.open(port)
  const sentAt = now()
  const raw = await new Promise<Raw>((resolve) => connection.send(text, resolve))
  connections.give(connection)
  const { head, body, at } = raw
  return { port, path, status: statusOf(raw), xCache: field(head, 'x-cache'), cacheStatus: field(head, 'cache-status'), body, dueAt, sentAt, at }
}

async function saturation ({ ports, path, fields = {}, connections: count, seconds }: Saturation): Promise<Throughput> {
  for (const port of ports) await connections.prepare(port, Math.ceil(count / ports.length))
  const took: number[] = []
  let failures = 0
  const beganAt = now()
  const endAt = beganAt + seconds * 1000

  async function loop (port: number): Promise<void> {
    const connection = connections.take(port)!
    const text = textOf({ port, path, fields })
    await new Promise<void>((resolve) => {
      let sentAt = now()
      connection.send(text, function next (raw) {
        took.push(raw.at - sentAt)
        if (statusOf(raw) !== 200) failures++
        if (raw.at >= endAt || !connection.isOpen) return resolve()
        sentAt = raw.at
        connection.send(text, next)
      })
    })
    connections.give(connection)
  }

  await Promise.all(Array.from({ length: count }, async (_, at) => await loop(ports[at % ports.length]!)))
  const measuredSeconds = (now() - beganAt) / 1000
  took.sort((a, b) => a - b)
  return { requests: took.length, seconds: measuredSeconds, failures, p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99), maxMs: percentile(took, 1) }
}

function textOf ({ path, fields = {} }: Planned): string {
  const lines = Object.entries({ host: 'herd', ...fields }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

function statusOf ({ head }: Raw): number {
  return Number(head.slice(9, 12))
}

function field (head: string, name: string): string {
  return new RegExp(`\\r\\n${name}: ([^\\r]*)`, 'i').exec(head)?.[1] ?? ''
}
