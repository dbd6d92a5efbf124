import { get } from '../api.js'
import { fill, h } from '../dom.js'
import { bytes, count, duration, latency, percent, short } from '../format.js'
import { hitRateOf, percentileOf, requestsOf } from '../numbers.js'
import { choice, empty, facts, failure, field, panel, reasons } from '../parts.js'
import { ordered, table } from '../table.js'
import { POLICY } from '../words.js'
import { TIMES } from './overview.js'

/**
 * @typedef {import('../../../stats/counts.ts').RouteStats} Route
 * @typedef {Pick<Route, 'route' | 'namespace'> & { policy: readonly import('../../policy-words.ts').PolicyWord[] }} Declared
 */

const MOST_LISTED = 5

/**
 * @param {import('../main.js').Context} context
 * @returns {import('../main.js').View}
 */
export function endpoints ({ live, signal }) {
  /** @type {Route | undefined} */
  let opened
  /** @type {readonly Declared[]} */
  let declared = []
  const search = h('input', { type: 'search', placeholder: 'GET /users', autocomplete: 'off', spellcheck: 'false', oninput: update })
  const [lists, details, place] = [h('div', { class: 'grid halves' }), h('div', { tabindex: -1 }), h('div')]
  const bounds = () => live.stats?.boundsMs ?? []
  const rows = table({
    caption: 'Cached routes',
    keyOf: (/** @type {Route} */ route) => `${route.route} ${route.namespace}`,
    sortedBy: 2,
    isDescending: true,
    columns: columnsOf(bounds),
    onopen: (route) => {
      opened = route
      update()
      details.focus({ preventScroll: true })
      details.scrollIntoView({ block: 'nearest' })
    }
  })

  function update () {
    const all = live.numbers?.routes
    if (all === undefined) return fill(place, live.fleetError === undefined ? empty(live.error === undefined ? 'Loading…' : 'There are no numbers.') : failure(live.fleetError))
    if (all.length === 0) return fill(place, empty('No route of this app has config.cache.'))
    const words = search.value.trim().toLowerCase()
    const found = all.filter(({ route, namespace }) => `${route} ${namespace}`.toLowerCase().includes(words))
    if (place.firstChild !== rows.element) fill(place, rows.element)
    rows.show(found)
    fill(lists, ...listsOf(all))
    showDetails(details, all.find((one) => isSame(one, opened)), declared.find((one) => isSame(one, opened)))
  }

  async function askPolicies () {
    const { routes } = await get('routes').catch(() => ({ routes: [] })) // the numbers are there without it
    if (signal.aborted) return
    declared = routes
    update()
  }

  askPolicies()
  const element = h('div', { class: 'view' },
    h('div', { class: 'bar' }, choice('Whose numbers', TIMES, { chosen: live.time, onchoose: live.choose })),
    lists,
    panel('All cached routes', { note: field('Search', search, { class: 'inline' }) }, place),
    details)
  return { element, update }
}

/**
 * @param {() => readonly number[]} bounds
 * @returns {Array<import('../table.js').Column<Route>>}
 */
function columnsOf (bounds) {
  return [
    { name: 'Route', text: ({ route }) => route, order: ({ route }) => route, class: 'route-cell' },
    { name: 'Namespace', text: ({ namespace }) => namespace, order: ({ namespace }) => namespace },
    { name: 'Requests', text: (route) => short(requestsOf(route)), order: requestsOf, isNumber: true },
    { name: 'Hit rate', text: (route) => percent(hitRateOf(route)), order: hitRateOf, isNumber: true },
    { name: 'Cache p95', text: ({ cached }) => latency(percentileOf(cached, 0.95, bounds())), order: ({ cached }) => percentileOf(cached, 0.95, bounds()), isNumber: true },
    { name: 'Handler p95', text: ({ uncached }) => latency(percentileOf(uncached, 0.95, bounds())), order: ({ uncached }) => percentileOf(uncached, 0.95, bounds()), isNumber: true },
    { name: 'Time saved', text: ({ savedMs }) => duration(savedMs), order: ({ savedMs }) => savedMs, isNumber: true },
    { name: 'Bypassed', text: ({ bypasses }) => short(bypasses), order: ({ bypasses }) => bypasses, isNumber: true },
    { name: 'Not stored', text: (route) => short(notStored(route)), order: notStored, isNumber: true }
  ]
}

/** @param {Route} route */
function notStored ({ notStoredReasons }) {
  return Object.values(notStoredReasons).reduce((sum, found) => sum + found, 0)
}

/** @param {readonly Route[]} routes */
function listsOf (routes) {
  const asked = routes.filter((route) => requestsOf(route) > 0)
  return [
    top('Highest hit rate', asked, { of: hitRateOf, text: percent, isDescending: true }),
    top('Lowest hit rate', asked, { of: hitRateOf, text: percent, isDescending: false }),
    top('Most time saved', asked, { of: ({ savedMs }) => savedMs, text: duration, isDescending: true }),
    top('Least time saved', asked, { of: ({ savedMs }) => savedMs, text: duration, isDescending: false })
  ]
}

/**
 * @param {string} title
 * @param {readonly Route[]} routes
 * @param {{ of: (route: Route) => number | undefined, text: (value: number | undefined) => string, isDescending: boolean }} options
 */
function top (title, routes, { of, text, isDescending }) {
  const first = ordered(routes.filter((route) => of(route) !== undefined), of, isDescending).slice(0, MOST_LISTED)
  return panel(title, { class: 'small' }, first.length === 0
    ? empty('Nothing was requested yet.')
    : h('ol', { class: 'top-list' }, ...first.map((route) => h('li', {}, h('span', { class: 'route' }, route.route.replace(' ', '\u00a0')), h('span', { class: 'number' }, text(of(route)))))))
}

/**
 * @param {Pick<Route, 'route' | 'namespace'>} one
 * @param {Pick<Route, 'route' | 'namespace'> | undefined} other
 */
function isSame (one, other) {
  return one.route === other?.route && one.namespace === other.namespace
}

/**
 * @param {HTMLElement} place
 * @param {Route | undefined} route
 * @param {Declared | undefined} declared
 */
function showDetails (place, route, declared) {
  if (route === undefined) return fill(place)
  const made = panel(route.route, {}, facts([
    ['Namespace', route.namespace],
    ['Hits', `${count(route.hits)}, collapsed ${count(route.collapsed)}`],
    ['Stale', count(route.stale)],
    ['Misses', count(route.misses)],
    ['Stored', count(route.fills)],
    ['Refreshed', `${count(route.refreshes)}, in vain ${count(route.refreshErrors)}`],
    ['Served', bytes(route.servedBytes)]
  ]), ...declared === undefined ? [] : [h('h3', {}, 'What the route says'), facts(declared.policy.map(({ about, text }) => [POLICY[about], text]), 'long')],
  h('div', { class: 'grid halves' },
    reasons('Why the cache was bypassed', 'bypass', route.bypassReasons),
    reasons('Why responses were not stored', 'notStored', route.notStoredReasons),
    reasons('Why there was nothing to serve', 'miss', route.missReasons),
    reasons('Why responses were served stale', 'stale', route.staleReasons)))
  // What is the same is not read out again.
  if (place.textContent !== made.textContent) fill(place, made)
}
