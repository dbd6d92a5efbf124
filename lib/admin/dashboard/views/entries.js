import { get } from '../api.js'
import { fill, h, write } from '../dom.js'
import { bytes, count, NONE, seconds } from '../format.js'
import { empty, failure, field, panel } from '../parts.js'
import { table } from '../table.js'
import { entryDialog } from './entry.js'

/** @typedef {import('../../../inspect/summaries.ts').EntrySummary} Entry */

const PAGE = 50
/** A page of a large store may hold nothing that matches: so many are asked for in a row. */
const MOST_EMPTY_PAGES = 20

/**
 * @param {import('../main.js').Context} context
 * @returns {import('../main.js').View}
 */
export function entries ({ live, signal }) {
  /** @type {{ namespace: string, match: string, cursor: string | undefined, found: Entry[], turn: number }} */
  let asked = { namespace: '', match: '', cursor: undefined, found: [], turn: 0 }
  const namespace = h('select', { onchange: () => { search() } }, h('option', { value: '' }, 'All'))
  const words = h('input', { type: 'search', placeholder: 'users or user:GET:/users/*', autocomplete: 'off', spellcheck: 'false' })
  const told = h('p', { class: 'muted', role: 'status' })
  const place = h('div')
  const more = h('button', { type: 'button', hidden: true, onclick: () => { next() } }, 'Show more')
  const dialog = entryDialog({ onchange: () => { search() } })
  const rows = table({
    caption: 'Entries',
    keyOf: (/** @type {Entry} */ entry) => entry.key,
    columns: columns(),
    onopen: ({ key }) => { dialog.open(key) }
  })

  async function search () {
    asked = { namespace: namespace.value, match: globOf(words.value.trim()), cursor: undefined, found: [], turn: asked.turn + 1 }
    await next()
  }

  async function next () {
    const mine = asked
    more.hidden = true
    write(told, 'Searching…')
    try {
      for (let page = 0; page < MOST_EMPTY_PAGES; page++) {
        const { entries: found, cursor } = await get('entries', { limit: PAGE, namespace: mine.namespace, match: mine.match, cursor: mine.cursor })
        if (mine !== asked || signal.aborted) return
        mine.cursor = cursor
        mine.found.push(...found)
        if (found.length > 0 || cursor === undefined) break
      }
      show()
    } catch (error) {
      if (mine !== asked) return
      write(told, '')
      fill(place, failure(error))
    }
  }

  function show () {
    const { cursor, found } = asked
    more.hidden = cursor === undefined
    write(told, `${count(found.length)} ${found.length === 1 ? 'entry' : 'entries'}${cursor === undefined ? '' : ', there may be more'}`)
    if (found.length === 0 && cursor === undefined) return fill(place, empty(asked.match === '' && asked.namespace === '' ? 'Nothing is stored.' : 'Nothing that is stored matches.'))
    if (place.firstChild !== rows.element) fill(place, rows.element)
    rows.show(found)
  }

  async function offerNamespaces () {
    const { namespaces } = await get('namespaces').catch(() => ({ namespaces: Object.keys(live.stats?.namespaces ?? {}).map((name) => ({ namespace: name })) }))
    const names = namespaces.map((/** @type {{ namespace: string }} */ one) => one.namespace)
    fill(namespace, h('option', { value: '' }, 'All'), ...names.map((/** @type {string} */ name) => h('option', { value: name }, name)))
  }

  offerNamespaces()
  search()
  const form = h('form', { class: 'bar fields', onsubmit: (event) => { event.preventDefault(); search() } },
    field('Namespace', namespace),
    field('Key', words, { class: 'grow' }),
    h('button', { type: 'submit', class: 'main' }, 'Search'))
  return { element: h('div', { class: 'view' }, panel('Entries', { note: told }, form, place, h('div', { class: 'after' }, more)), dialog.element) }
}

/**
 * Texts without `*` and `?` are searched for within the keys.
 * @param {string} words
 */
export function globOf (words) {
  return words === '' || /[*?]/.test(words) ? words : `*${words}*`
}

/** @returns {Array<import('../table.js').Column<Entry>>} */
function columns () {
  return [
    { name: 'Key', text: ({ key }) => key, class: 'key-cell' },
    { name: 'State', text: ({ state }) => state, node: ({ state, isPerUser }) => h('span', {}, h('span', { class: `tag ${state}` }, state), ' ', isPerUser && h('span', { class: 'tag' }, 'one user')) },
    { name: 'Kind', text: ({ kind, status }) => status === undefined ? kind : `${kind}\u00a0${status}` },
    { name: 'Body', text: (entry) => bytes(entry.bytes), order: (entry) => entry.bytes, isNumber: true },
    { name: 'Age', text: ({ storedAt }) => seconds(Math.max(0, (Date.now() - storedAt) / 1000)), order: ({ storedAt }) => -storedAt, isNumber: true },
    { name: 'Ttl left', text: ({ ttl }) => seconds(ttl), order: ({ ttl }) => ttl, isNumber: true },
    { name: 'Tags', text: ({ tags }) => tags.length === 0 ? NONE : tags.join(', '), class: 'tags-cell' }
  ]
}
