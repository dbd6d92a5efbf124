import { get } from './api.js'
import { fill, h, write } from './dom.js'
import { createLive } from './live.js'
import { BREAKER } from './words.js'
import { endpoints } from './views/endpoints.js'
import { entries } from './views/entries.js'
import { explain } from './views/explain.js'
import { invalidate } from './views/invalidate.js'
import { overview } from './views/overview.js'

/**
 * What a view is given. Its `signal` is aborted when another view takes its place.
 * @typedef {object} Context
 * @property {ReturnType<typeof createLive>} live
 * @property {AbortSignal} signal
 * @property {URLSearchParams} query What the address says to the view.
 *
 * @typedef {object} View
 * @property {Node} element
 * @property {() => void} [update] Called when there are new numbers.
 */

/** @type {Readonly<Record<string, { name: string, open: (context: Context) => View }>>} */
const VIEWS = {
  overview: { name: 'Overview', open: overview },
  endpoints: { name: 'Endpoints', open: endpoints },
  entries: { name: 'Entries', open: entries },
  invalidate: { name: 'Invalidate', open: invalidate },
  explain: { name: 'Explain', open: explain }
}

const place = /** @type {HTMLElement} */ (document.getElementById('view'))
const notice = /** @type {HTMLElement} */ (document.getElementById('notice'))
const state = /** @type {HTMLElement} */ (document.getElementById('state'))
const nav = /** @type {HTMLElement} */ (document.getElementById('views'))

const live = createLive({ get, onchange: told })
const links = Object.entries(VIEWS).map(([id, { name }]) => h('a', { href: `#/${id}`, id: `view-${id}` }, name))
fill(nav, ...links)

/** @type {View | undefined} */
let shown
let leaving = new AbortController()

function go () {
  const [path = '', query = ''] = window.location.hash.slice(1).split('?', 2)
  const id = Object.keys(VIEWS).find((name) => path === `/${name}`) ?? 'overview'
  leaving.abort()
  leaving = new AbortController()
  const { name, open } = /** @type {typeof VIEWS[string]} */ (VIEWS[id])
  for (const link of links) {
    if (link.id === `view-${id}`) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  document.title = `${name} · Response cache`
  shown = open({ live, signal: leaving.signal, query: new URLSearchParams(query) })
  fill(place, shown.element)
  shown.update?.()
}

function told () {
  const { error, stats } = live
  notice.hidden = error === undefined
  write(notice, error?.message ?? '')
  const word = error !== undefined ? 'No connection' : stats === undefined ? 'Loading' : wordOf(stats.store)
  write(state, word)
  state.dataset['state'] = error !== undefined ? 'bad' : stats !== undefined && (stats.store.read !== 'closed' || stats.store.write !== 'closed') ? 'warn' : 'ok'
  shown?.update?.()
}

/** @param {{ read: keyof typeof BREAKER, write: keyof typeof BREAKER }} store */
function wordOf ({ read, write: writes }) {
  if (live.isDisabled) return 'Switched off'
  if (read === 'closed' && writes === 'closed') return 'Store in use'
  return read === 'closed' ? `Store: writing ${BREAKER[writes]}` : `Store: ${BREAKER[read]}`
}

window.addEventListener('hashchange', () => {
  go()
  place.focus({ preventScroll: true })
  window.scrollTo(0, 0)
})
go()
live.start()
