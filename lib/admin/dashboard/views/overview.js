import { get } from '../api.js'
import { chart, legend, linear, logarithmic, meter, shares } from '../charts.js'
import { fill, h, write } from '../dom.js'
import { bytes, clock, clockMinutes, count, duration, latency, moment, percent, rate, short } from '../format.js'
import { hitRateOf, percentileOf, requestsOf } from '../numbers.js'
import { choice, docs, empty, facts, failure, invalidations, panel } from '../parts.js'
import { poll } from '../poll.js'
import { table } from '../table.js'
import { BREAKER } from '../words.js'

/** @typedef {import('../main.js').Context} Context */

const SLOW_MS = 10_000

/** @type {ReadonlyArray<readonly [import('../live.js').Time, string]>} */
export const TIMES = [['live', 'This process'], ['1h', 'All, 1 hour'], ['24h', 'All, 24 hours']]

/** @type {ReadonlyArray<readonly [told: string, short: string]>} */
const TTL_CLASSES = [['within a minute', '1 min'], ['within 5 minutes', '5 min'], ['within an hour', '1 h'], ['within a day', '1 d'], ['later', 'later']]

/**
 * @param {Context} context
 * @returns {import('../main.js').View}
 */
export function overview ({ live, signal }) {
  const tiles = createTiles()
  const drawings = createCharts()
  const spaces = createNamespaces()
  const [store, health, recent, scope] = [h('div'), h('div'), h('div'), h('p', { class: 'scope-note' })]
  const slow = poll(async () => await askSlowly({ spaces, health, recent, tiles }), { everyMs: SLOW_MS })
  signal.addEventListener('abort', () => { slow.stop(); drawings.stop() })
  const numbers = h('div', { class: 'numbers' })
  const shown = [tiles.element, h('div', { class: 'grid charts' }, ...drawings.elements)]

  function update () {
    const given = live.numbers
    write(scope, scopeText(live))
    if (given === undefined) fill(numbers, live.fleetError === undefined ? empty(live.error === undefined ? 'Loading…' : 'There are no numbers.') : notAvailable(live.fleetError))
    else if (numbers.firstChild !== shown[0]) fill(numbers, ...shown)
    if (given !== undefined) {
      tiles.show(live)
      drawings.show(live)
    }
    if (live.stats !== undefined) fill(store, storeFacts(live.stats))
  }

  const element = h('div', { class: 'view' },
    h('div', { class: 'bar' }, choice('Whose numbers', TIMES, { chosen: live.time, onchoose: live.choose }), scope),
    numbers,
    panel('Namespaces', { note: h('div', { class: 'bar' }, spaces.note, legend('Go within', TTL_CLASSES.map(([, name], at) => [name, `ttl-${at}`]))) }, spaces.element),
    h('div', { class: 'grid thirds' }, panel('Store', {}, store), panel('Health and advice', {}, health), panel('Invalidations', { note: h('a', { href: '#/invalidate' }, 'All') }, recent)))
  return { element, update }
}

/** @param {Context['live']} live */
function scopeText ({ fleet, numbers, processes, stats, time }) {
  if (numbers === undefined) return ''
  if (time !== 'live' && fleet !== undefined) return `${count(fleet.processes)} ${fleet.processes === 1 ? 'process' : 'processes'}, ${moment(fleet.from)} to ${moment(fleet.to)}`
  const since = stats === undefined ? '' : `Since ${moment(stats.since)}.`
  return processes > 1 ? `${since} ${count(processes)} processes answer in turn: choose all of them.` : since
}

/** @param {Error} error */
function notAvailable (error) {
  return h('div', { class: 'panel' }, h('h2', {}, 'The numbers of all processes are not available'), failure(error),
    h('p', { class: 'muted' }, 'They are collected in Redis. Those of one process are under “This process”.'))
}

function createTiles () {
  const names = ['Hit rate', 'Requests', 'Cache, p95', 'Handlers, p95', 'Time saved', 'Bytes served', 'Stored']
  const tiles = names.map((name, at) => ({ value: h('dd', { class: 'value' }), note: h('dd', { class: 'note' }), name, at }))
  const element = h('dl', { class: 'tiles' }, ...tiles.map(({ name, value, note, at }) => h('div', { class: at === 0 ? 'tile first' : 'tile', 'data-tile': name }, h('dt', {}, name), value, note)))
  let stored = ['–', '']

  /**
   * @param {number} at
   * @param {string} value
   * @param {string} note
   */
  function tell (at, value, note) {
    const tile = tiles[at]
    if (tile === undefined) return
    write(tile.value, value)
    write(tile.note, note)
  }

  /**
   * @param {import('../numbers.js').Latency} taken
   * @param {readonly number[]} bounds
   * @returns {[string, string]}
   */
  function taken (taken, bounds) {
    const [half, most, nearly] = [0.5, 0.95, 0.99].map((share) => latency(percentileOf(taken, share, bounds)))
    return [most ?? '', taken.count === 0 ? 'no responses yet' : `p50 ${half}, p99 ${nearly}`.replace(/ (?=ms|s\b)/g, '\u00a0')]
  }

  return {
    element,
    /** @param {Context['live']} live */
    show (live) {
      const { minute, numbers, time } = live
      if (numbers === undefined) return
      const isLive = time === 'live'
      const now = minute === undefined ? undefined : requestsOf(minute) / ((minute.at - minute.from) / 1000)
      tell(0, percent(hitRateOf(numbers)), isLive ? `${percent(minute && hitRateOf(minute))} in the last minute` : `${short(numbers.misses)} of ${short(numbers.hits + numbers.stale + numbers.misses)} missed`)
      tell(1, short(requestsOf(numbers)), isLive ? `${now === undefined ? '–' : rate(now)} now` : `${short(numbers.bypasses)} of them bypassed the cache`)
      tell(2, ...taken(numbers.cached, numbers.boundsMs))
      tell(3, ...taken(numbers.uncached, numbers.boundsMs))
      tell(4, duration(numbers.savedMs), 'handlers did not run')
      tell(5, bytes(numbers.servedBytes), 'from the cache')
      tell(6, stored[0] ?? '', stored[1] ?? '')
    },
    /** @param {{ entries: number, bytes: number, isComplete: boolean }} contents */
    contents ({ entries, bytes: size, isComplete }) {
      stored = [`${isComplete ? '' : '≈ '}${short(entries)}`, `entries, ${bytes(size)}`]
      tell(6, stored[0] ?? '', stored[1] ?? '')
    }
  }
}

const OUTCOMES = /** @type {const} */ ([['hits', 'hits', 'c-hit'], ['stale', 'stale', 'c-stale'], ['misses', 'misses', 'c-miss'], ['bypasses', 'bypasses', 'c-bypass'], ['refused', 'refused', 'c-refused']])
/** @type {ReadonlyArray<readonly [string, string]>} */
const SOURCES = [['cache', 'c-hit'], ['handlers', 'c-handler']]
/** A minute: the first points are not as wide as the chart. */
const LEAST_POINTS = 30

function createCharts () {
  const hitRate = chart('Hit rate', { hint: 'Vertical lines are invalidations.' })
  const requests = chart('Requests', { legend: OUTCOMES.map(([, name, color]) => [name, color]) })
  const taken = chart('Latency, 95th percentile', { legend: SOURCES })
  const spread = chart('How long it took', { legend: SOURCES, hint: 'Share of the responses by how long they took at most.' })
  const all = [hitRate, requests, taken, spread]
  return {
    elements: all.map(({ element }) => element),
    stop () { for (const one of all) one.stop() },
    /** @param {Context['live']} live */
    show ({ fleet, numbers, points, stats, time }) {
      const given = time === 'live' ? points : fleet?.series ?? []
      const before = Array.from({ length: time === 'live' ? Math.max(0, LEAST_POINTS - given.length) : 0 }, () => undefined)
      const bounds = stats?.boundsMs ?? []
      const times = [...before.map(() => ''), ...given.map(({ at }) => time === 'live' ? clock(at) : clockMinutes(at))]
      /** @param {(point: typeof given[number]) => number | undefined} of */
      const values = (of) => [...before, ...given.map(of)]
      const [cached, uncached] = [values((one) => percentileOf(one.cached, 0.95, bounds)), values((one) => percentileOf(one.uncached, 0.95, bounds))]
      hitRate.show({ times, as: 'lines', scale: shares(percent), marks: given.flatMap(({ invalidations }, at) => invalidations > 0 ? [before.length + at] : []), series: [{ name: 'hit rate', class: 'c-hit', values: values(hitRateOf) }] })
      requests.show({ times, as: 'bars', scale: linear(Math.max(0, ...given.map(requestsOf)), short), series: OUTCOMES.map(([key, name, color]) => ({ name, class: color, values: values((one) => one[key]) })) })
      taken.show({
        times,
        as: 'lines',
        scale: logarithmic([...cached, ...uncached].filter((value) => value !== undefined), latency),
        series: [{ name: 'cache', class: 'c-hit flat', values: cached }, { name: 'handlers', class: 'c-handler flat', values: uncached }]
      })
      if (numbers !== undefined) spread.show(spreadOf(numbers))
    }
  }
}

/**
 * @param {{ cached: import('../numbers.js').Latency, uncached: import('../numbers.js').Latency, boundsMs: readonly number[] }} numbers
 * @returns {import('../charts.js').Drawn}
 */
function spreadOf ({ cached, uncached, boundsMs }) {
  const names = cached.classes.map((_, at) => boundsMs[at] === undefined ? `over ${latency(boundsMs.at(-1))}` : `≤ ${latency(boundsMs[at])}`)
  const of = (/** @type {import('../numbers.js').Latency} */ { classes, count: all }) => classes.map((found) => all === 0 ? 0 : found / all)
  return { times: names, as: 'groups', scale: shares(percent), series: [{ name: 'cache', class: 'c-hit', values: of(cached) }, { name: 'handlers', class: 'c-handler', values: of(uncached) }] }
}

function createNamespaces () {
  /** @typedef {{ namespace: string, entries: number, bytes: number, ttl: { classes: number[] }, hits?: number, stale?: number, misses?: number, hitRate?: number, savedMs?: number }} Row */
  const note = h('span', { class: 'muted' })
  const place = h('div')
  const rows = table({
    caption: 'Namespaces',
    keyOf: (/** @type {Row} */ row) => row.namespace,
    sortedBy: 1,
    isDescending: true,
    columns: [
      { name: 'Namespace', text: (row) => row.namespace, order: (row) => row.namespace },
      { name: 'Entries', text: (row) => count(row.entries), order: (row) => row.entries, isNumber: true },
      { name: 'Bodies', text: (row) => bytes(row.bytes), order: (row) => row.bytes, isNumber: true },
      { name: 'Hit rate', text: (row) => percent(row.hitRate), order: (row) => row.hitRate, isNumber: true },
      { name: 'Time saved', text: (row) => duration(row.savedMs), order: (row) => row.savedMs, isNumber: true },
      { name: 'Time to live that is left', text: () => '', node: (row) => lives(row.ttl.classes), class: 'wide' }
    ]
  })
  return {
    element: place,
    note,
    /** @param {{ namespaces: Row[], scanned: number, isComplete: boolean }} contents */
    show ({ namespaces, scanned, isComplete }) {
      write(note, isComplete ? '' : `estimated from ${count(scanned)} entries`)
      if (namespaces.length === 0) return fill(place, empty('Nothing is stored, and no cached route was requested yet.'))
      if (place.firstChild !== rows.element) fill(place, rows.element)
      rows.show(namespaces)
    },
    /** @param {Error} error */
    fail (error) { fill(place, failure(error)) }
  }
}

/** @param {number[]} classes */
function lives (classes) {
  const told = classes.flatMap((found, at) => found === 0 ? [] : [`${count(found)} ${TTL_CLASSES[at]?.[0]}`])
  return told.length === 0 ? document.createTextNode('–') : meter(classes.map((found, at) => [`ttl-${at}`, found]), `Go ${told.join(', ')}`)
}

/** @param {import('../live.js').Stats} stats */
function storeFacts ({ store, memory }) {
  return facts([
    ['Reading', BREAKER[store.read]],
    ['Writing', BREAKER[store.write]],
    ['Errors', `${count(store.errors)}, timeouts ${count(store.timeouts)}`],
    ['Damaged entries', count(store.damaged)],
    ['Dropped writes', count(store.droppedWrites)],
    ['Pending', `${count(store.pendingWrites)} writes, ${count(store.pendingInvalidations)} invalidations`],
    ['Memory', memory === undefined ? undefined : `${bytes(memory.bytes)} of ${bytes(memory.maxBytes)}, ${count(memory.entries)} entries`],
    ['Evicted', memory === undefined ? undefined : count(memory.evictions)]
  ])
}

/** @param {{ spaces: ReturnType<typeof createNamespaces>, tiles: ReturnType<typeof createTiles>, health: HTMLElement, recent: HTMLElement }} places */
async function askSlowly ({ spaces, tiles, health, recent }) {
  const [contents, state, advice, events] = await Promise.allSettled([get('namespaces'), get('health'), get('advice'), get('events')])
  if (contents.status === 'fulfilled') {
    const { namespaces, isComplete } = contents.value
    spaces.show(contents.value)
    tiles.contents({ isComplete, entries: sum(namespaces, 'entries'), bytes: sum(namespaces, 'bytes') })
  } else spaces.fail(contents.reason)
  if (state.status === 'fulfilled' && advice.status === 'fulfilled') fill(health, healthList(state.value, advice.value.advice))
  else fill(health, failure(state.status === 'rejected' ? state.reason : /** @type {PromiseRejectedResult} */ (advice).reason))
  if (events.status === 'fulfilled') fill(recent, invalidations(events.value.events.slice(0, 6), clock))
  else fill(recent, failure(events.reason))
  return contents.status === 'fulfilled'
}

/**
 * @param {Array<Record<string, any>>} rows
 * @param {string} name
 */
function sum (rows, name) {
  return rows.reduce((total, row) => total + row[name], 0)
}

/**
 * @param {import('../../../client/health.ts').Health} health
 * @param {readonly import('../../../advice/advice.ts').Advice[]} advice
 */
function healthList ({ status, store, reasons }, advice) {
  return h('div', {},
    h('p', { class: `health ${status}` }, status === 'ok' ? `All is well. Store: ${store}.` : `Degraded: the routes answer, the cache does not do all of its work. Store: ${store}.`),
    h('ul', { class: 'advice' }, ...[...reasons.map((reason) => ({ ...reason, level: 'risk' })), ...advice].map(({ text, docs: reference, level }) => h('li', { class: level }, text, ' ', docs(reference)))),
    advice.length === 0 && h('p', { class: 'muted' }, 'No advice on the configuration.'))
}
