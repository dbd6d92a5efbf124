import type { EventListener } from '../../../lib/events/event-log.ts'
import { InvalidationEvents } from '../../../lib/events/invalidation-events.ts'
import { InvalidTargetError } from '../../../lib/errors.ts'
import { holds, same, type Target } from '../target.ts'

let listener: EventListener | undefined
let marked: string[] = []
let appended: string[] = []
let warnings = 0

const events = new InvalidationEvents({
  log: {
    append (json) { appended.push(json) },
    follow (by) {
      listener = by
      return { ready: Promise.resolve(), async close () {} }
    }
  },
  mark: async (labels) => { marked.push(...labels) },
  logger: { info () {}, warn () { warnings++ }, error () { warnings++ } }
})

/** Whatever comes, its handler hears of it; what it names is what it makes of the data. */
let heard: unknown[] = []
events.on<unknown>('user', (data) => {
  heard.push(data)
  return { tags: [`user:${(data as { id: string }).id}`] }
})
events.on('given', (data: never) => data)
events.on('__proto__', () => ({ tags: ['prototype'] }))

/** The stream of events, which other services write: a message each line. None keeps the others from being handled. */
export const eventChannel: Target = {
  name: 'event-channel',
  corpus: ['{"event":"user","data":{"id":1}}', '{"event":"given","data":{"tags":["a"]}}', '{"event":"","data":1}', 'null', '"event"', '{"event":"user"}', '{"event":"given","data":{"urls":["/a"]}}\n{"event":"user","data":{"id":"x"}}', '{"event":"__proto__"}', '{"event":["user"]}'],
  tokens: ['"', '{', '}', '[', ']', ',', ':', '\n', 'null', '"event":', '"data":', '"user"', '"given"', '"tags":', '"keys":', '"urls":', '"__proto__"', '"constructor"', '\\ud800', '{"id":{"toString":1}}', '1e400'],
  weight: 0.4,
  check: async (input) => {
    ;[marked, appended, heard, warnings] = [[], [], [], 0]
    const lines = input.toString().split('\n')
    const messages = lines.map((json, at) => ({ id: `${at}-0`, json: json === '' ? undefined : json }))
    await listener!.onMessages([...messages, { id: 'last', json: '{"event":"user","data":{"id":"last"}}' }])
    holds(marked.includes('t:user:last'), 'what comes after a broken message is handled')
    holds(marked.every((label) => /^[tnpukql]:/.test(label) && label.isWellFormed()), 'what is marked are labels')
    const understood = lines.map(eventOf).filter((event) => event !== undefined)
    same(heard.length, understood.filter(({ event }) => event === 'user').length + 1, 'events that are heard')
    holds(warnings >= lines.length - understood.length, 'what is dropped is told')
    for (const { event, data } of understood.slice(0, 2)) await publishes(event, data)
    return `${understood.map(({ event }) => event[0]).slice(0, 3).join('')} ${Math.min(warnings, 3)} ${[...new Set(marked.map((label) => label[0]))].join('')}`
  }
}

function eventOf (json: string): { event: string, data: unknown } | undefined {
  try {
    const { event, data } = JSON.parse(json) as { event: unknown, data: unknown }
    return typeof event === 'string' && event !== '' ? { event, data } : undefined
  } catch {
    return undefined
  }
}

/** What is told is what others read. */
async function publishes (event: string, data: unknown): Promise<void> {
  const before = appended.length
  try {
    await events.publish(event, data)
    same(eventOf(appended.at(-1)!), { event, data }, 'what is published')
    same(appended.length, before + 1, 'messages')
  } catch (fault) {
    if (!(fault instanceof InvalidTargetError)) throw fault
  }
}
